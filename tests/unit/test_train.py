"""ALS on data with one right answer, and what refuses a training before and after."""

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import functions as F

from jobs.contract.errors import BadModel, SettingsError, TooLittleData
from jobs.contract.generations import generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.training import exact, mllib
from jobs.training.als import AlsParams
from jobs.training.checks import factor_summary, require_enough, require_sound
from jobs.training.recipe import Recipe, fit_pairs

PARAMS = AlsParams(rank=8, reg=0.1, alpha=40.0, iterations=8, seed=1)
LISTENERS, SONGS = 20, 24
IN_DRIVER, ON_EXECUTORS = exact.Limits(), exact.Limits(driver_pairs=0)
ENGINES = {
    "mllib": mllib.train,
    "exact in the driver": lambda weights, params: exact.train(weights, params, IN_DRIVER),
    "exact on executors": lambda weights, params: exact.train(weights, params, ON_EXECUTORS),
}


def checkerboard(spark):
    """Even listeners play even songs and odd ones odd, but for every fifth that they miss."""
    rows = [
        (f"u{u:02}", f"s{s:02}", 1.0)
        for u in range(LISTENERS)
        for s in range(SONGS)
        if u % 2 == s % 2 and (u // 2 + s // 2) % 5
    ]
    return spark.createDataFrame(rows, "user_id string, track_id string, weight float")


def by_id(factors):
    return {row.id: np.array(row.vector) for row in factors.collect()}


@pytest.fixture(scope="module")
def board(spark):
    return checkerboard(spark)


@pytest.fixture(scope="module", params=ENGINES)
def train(request):
    return ENGINES[request.param]


@pytest.fixture(scope="module")
def model(board, train):
    factors = train(board, PARAMS)
    return by_id(factors.users), by_id(factors.items)


def test_unheard_songs_of_the_own_taste_come_first(board, model):
    users, items = model
    heard = {(row.user_id, row.track_id) for row in board.collect()}
    assert set(users) == {f"u{u:02}" for u in range(LISTENERS)}
    assert set(items) == {f"s{s:02}" for s in range(SONGS)}
    for user, vector in users.items():
        unheard = [song for song in items if (user, song) not in heard]
        own = {song for song in unheard if int(song[1:]) % 2 == int(user[1:]) % 2}
        ranked = sorted(unheard, key=lambda song: -items[song] @ vector)
        assert own
        assert set(ranked[: len(own)]) == own


def test_order_and_partitions_of_the_input_do_not_matter(board, model, train):
    shuffled = train(board.orderBy(F.rand(3)).repartition(7), PARAMS)
    for ours, theirs in zip(model, (shuffled.users, shuffled.items), strict=True):
        other = by_id(theirs)
        assert all(np.allclose(ours[name], other[name], rtol=1e-4) for name in ours)


def test_another_seed_is_another_model(board, model, train):
    other = by_id(train(board, AlsParams(8, 0.1, 40.0, 8, seed=2)).items)
    assert not np.allclose(model[1]["s00"], other["s00"], rtol=1e-2)


def test_vectors_that_do_not_fit_are_refused_with_both_sizes(board):
    tight = exact.Limits(driver_pairs=0, broadcast_mib=1)
    with pytest.raises(exact.TooLarge) as refusal:
        exact.train(board, replace(PARAMS, rank=20_000), tight)
    assert str(refusal.value) == (
        "the vectors of 24 rows take 2 MiB on every executor, "
        "more than NOCTURNE_EXACT_BROADCAST_MIB=1"
    )


def test_mllib_trains_what_does_not_fit(spark, capsys):
    rows = [(f"u{u}", f"s{s}", 1) for u in range(600) for s in (u % 7, u % 5 + 7)]
    pairs = spark.createDataFrame(rows, "user_id string, track_id string, plays int")
    recipe = Recipe(500, 0.1, 40.0, 1, "binary", 1, limits=exact.Limits(0, 1))
    factors = fit_pairs(pairs, recipe)
    assert factors.users.count() == 600
    assert "training: the vectors of 600 rows take 1 MiB" in capsys.readouterr().out


def test_too_little_data_names_each_count_and_setting():
    settings = Settings(min_plays=100, min_listeners=10, min_songs=10)
    with pytest.raises(TooLittleData) as refusal:
        require_enough({"plays": 7, "users": 1, "items": 12}, settings, "[a, b)")
    assert "7 plays (NOCTURNE_MIN_PLAYS=100)" in str(refusal.value)
    assert "1 listeners (NOCTURNE_MIN_LISTENERS=10)" in str(refusal.value)
    assert "SONGS" not in str(refusal.value)
    require_enough({"plays": 100, "users": 10, "items": 10}, settings, "[a, b)")


def test_broken_factors_are_counted(spark):
    rows = [
        ("a", [3.0, 4.0]),
        ("b", [float("nan"), 0.0]),
        ("c", [0.0, float("-inf")]),
        ("d", [1.0]),
    ]
    factors = spark.createDataFrame(rows, "id string, vector array<float>")
    found = factor_summary(factors, rank=2).first()
    assert (found.rows, found.bad) == (4, 3)
    sound = factor_summary(factors.where("id = 'a'"), rank=2).first()
    assert (sound.rows, sound.bad, sound.norm) == (1, 0, pytest.approx(5.0))


@pytest.mark.parametrize(("rows", "bad"), [(9, 0), (10, 1), (0, 0)])
def test_factors_that_are_not_sound_are_refused(rows, bad):
    with pytest.raises(BadModel, match="users"):
        require_sound("users", rows, bad, expected=10)


def test_what_the_command_line_gives_is_checked_like_a_setting(monkeypatch):
    monkeypatch.setenv("NOCTURNE_RANK", "32")
    assert load_settings(rank=None).rank == 32
    assert load_settings(rank=16).rank == 16
    with pytest.raises(SettingsError, match="NOCTURNE_RANK"):
        load_settings(rank=0)


@pytest.mark.parametrize("text", ["g20261122T0200_1a2b3c4", "../g20261122T0200_1a2b3c4d", ""])
def test_a_generation_id_is_no_path(text):
    with pytest.raises(ValueError, match="generation id"):
        generation_id(text)
