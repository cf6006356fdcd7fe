"""One night's training goes on from the night before, without knowing what it is asked about."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from jobs.training import exact
from jobs.training.als import collect_factors
from jobs.training.held_out import HeldOut, Moving
from jobs.training.night import Start, fit_night, fold_listeners, mean_cosine
from jobs.training.recipe import Recipe

AS_OF, SPLIT = date(2024, 3, 1), date(2024, 2, 26)
RECIPE = Recipe(8, 0.1, 40.0, 8, "log", seed=1)
LISTENERS, SONGS = 40, 30


def plays(spark, until, new_song=False):
    """Two tastes; listeners hear one song of their own a day and come to a tenth a second time."""
    rows = []
    for user in range(LISTENERS):
        own = [song for song in range(SONGS) if song % 2 == user % 2]
        order = np.random.default_rng(user).permutation(own)
        for day in range(14):
            rows.append((f"u{user:02}", f"s{order[day % 13]:02}", until - timedelta(days=14 - day)))
    if new_song:
        rows += [(f"u{u:02}", "new", until - timedelta(days=1)) for u in range(0, LISTENERS, 2)]
    return spark.createDataFrame(
        pd.DataFrame(rows, columns=["user_id", "track_id", "date"]),
        "user_id string, track_id string, date date",
    ).cache()


@pytest.fixture(scope="module")
def yesterday(spark):
    found = plays(spark, AS_OF - timedelta(days=1))
    return fit_night(found, AS_OF - timedelta(days=1), SPLIT - timedelta(days=1), RECIPE)


@pytest.fixture(scope="module")
def start(yesterday):
    return Start(collect_factors(yesterday.factors.items), collect_factors(yesterday.before_split))


@pytest.fixture(scope="module")
def tonight(spark, start):
    return fit_night(plays(spark, AS_OF, new_song=True), AS_OF, SPLIT, RECIPE, start)


def test_a_first_night_has_both_models_and_no_cosine(yesterday):
    assert (yesterday.engine, yesterday.cosine) == ("exact", None)
    assert yesterday.iterations == 2  # of the whole window, from the other: a third of 8
    assert yesterday.before_split.count() == SONGS


def test_a_night_stays_near_the_one_before_and_folds_a_new_song_in(tonight, start):
    assert tonight.iterations >= RECIPE.warm_iterations
    assert 0.9 < tonight.cosine < 1
    ids, vectors = collect_factors(tonight.factors.items)
    found = dict(zip(ids, vectors, strict=True))
    assert "new" not in start.songs[0]
    own = [v @ found["new"] for s, v in found.items() if s != "new" and int(s[1:]) % 2 == 0]
    other = [v @ found["new"] for s, v in found.items() if s != "new" and int(s[1:]) % 2]
    assert min(own) > max(other)


def test_another_seed_is_nowhere_near(spark, start):
    other = Recipe(8, 0.1, 40.0, 8, "log", seed=2)
    scratch = fit_night(plays(spark, AS_OF), AS_OF, SPLIT, other)
    assert mean_cosine(collect_factors(scratch.factors.items), start.songs) < 0.5


def test_what_the_evaluation_asks_about_is_in_no_model_for_it(spark, start, tonight):
    """A last day that is another one changes what is published, and nothing of the other model."""
    found = plays(spark, AS_OF, new_song=True)
    changed = found.where(found.date < SPLIT)
    changed = changed.unionByName(
        spark.createDataFrame([("u00", "s01", AS_OF - timedelta(days=1))], found.schema)
    )
    other = fit_night(changed, AS_OF, SPLIT, RECIPE, start)
    for ours, theirs in zip(
        collect_factors(tonight.before_split), collect_factors(other.before_split), strict=True
    ):
        assert np.array_equal(ours, theirs)
    ids, vectors = collect_factors(tonight.before_split)
    assert "new" not in ids
    assert vectors.shape == (SONGS, 8)


def test_mllib_starts_from_nothing_and_keeps_nothing(spark, start):
    recipe = Recipe(8, 0.1, 40.0, 8, "log", seed=1, engine="mllib")
    night = fit_night(plays(spark, AS_OF), AS_OF, SPLIT, recipe, start)
    assert (night.engine, night.iterations) == ("mllib", 8)
    assert (night.before_split, night.cosine) == (None, None)


def test_what_is_too_large_says_that_mllib_trained_it(spark, start, capsys):
    recipe = Recipe(9000, 0.1, 40.0, 1, "log", seed=1, limits=exact.Limits(0, 1))
    with pytest.raises(exact.TooLarge):
        fold_listeners(plays(spark, AS_OF), AS_OF, recipe, start.songs)
    small = Recipe(8, 0.1, 40.0, 1, "log", seed=1, limits=exact.Limits(0, 0))
    assert fit_night(plays(spark, AS_OF), AS_OF, SPLIT, small, start).engine == "mllib"
    assert "mllib trains instead" in capsys.readouterr().out


def test_without_a_day_before_the_split_the_window_is_trained_alone(spark):
    night = fit_night(plays(spark, AS_OF), AS_OF, date(2024, 1, 1), RECIPE)
    assert (night.iterations, night.before_split) == (RECIPE.iterations, None)


@pytest.mark.parametrize(
    ("least", "found", "iterations"),
    [
        (1, [0.5], 1),
        (2, [0.5, 0.5], 2),
        (2, [0.5, 0.6, 0.7, 0.7001], 4),
        (2, [0.5, 0.4], 2),
        (3, [0.1, 0.5, 0.5], 3),
    ],
)
def test_it_goes_on_while_the_metric_rises(least, found, iterations):
    class Asked:
        def ndcg(self, users, songs):
            return found[songs - 1]

    moving, n = Moving(Asked(), least), 0
    while moving(exact.Lap(n, n or None, n)):
        n += 1
    assert (n, moving.iterations) == (iterations, iterations)


def test_the_held_out_metric_is_that_of_new_songs(spark):
    """Of u1's songs after the split one is new; both vectors put it first, or last."""
    rows = [("u1", "a", SPLIT - timedelta(days=1)), ("u1", "a", SPLIT), ("u1", "b", SPLIT)]
    rows += [("u2", song, SPLIT - timedelta(days=1)) for song in "abcd"]
    found = spark.createDataFrame(rows, "user_id string, track_id string, date date")
    held = HeldOut.of(found.where(found.date < SPLIT), found.where(found.date >= SPLIT))
    assert list(held.listeners) == ["u1"]
    users = ["u1"], np.array([[1, 0]], np.float32)
    best = list("abcd"), np.array([[9, 0], [3, 0], [2, 0], [1, 0]], np.float32)
    third = list("abcd"), np.array([[9, 0], [1, 0], [2, 0], [3, 0]], np.float32)
    assert held.ndcg(users, best) == pytest.approx(1.0)
    assert held.ndcg(users, third) == pytest.approx(0.5)


def test_the_mean_cosine_is_of_the_songs_of_both_nights():
    before = ["a", "b", "gone"], np.array([[1, 0], [0, 2], [5, 5]], np.float32)
    after = ["new", "b", "a"], np.array([[7, 7], [0, 1], [0, 3]], np.float32)
    assert mean_cosine(after, before) == pytest.approx(0.5)
