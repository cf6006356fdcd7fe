"""Nightly lists against the plain definition."""

import numpy as np
import pytest

from jobs.training import lists
from jobs.training.als import Factors
from jobs.training.lists import nightly_lists


@pytest.fixture(scope="module")
def world(spark):
    draw = np.random.default_rng(5)
    users = {f"u{n}": draw.normal(size=4).astype(np.float32) for n in range(30)}
    items = {f"s{n:02}": draw.normal(size=4).astype(np.float32) for n in range(40)}
    own = {u: {f"s{n:02}" for n in draw.integers(0, 40, 6)} for u in users if u != "u0"}
    frames = [
        spark.createDataFrame(
            [(i, v.tolist()) for i, v in rows.items()], "id string, vector array<float>"
        ).repartition(3)
        for rows in (users, items)
    ]
    pairs = [(u, s) for u, songs in own.items() for s in songs]
    heard = spark.createDataFrame(pairs, "user_id string, track_id string")
    return users, items, own, Factors(*frames), heard


@pytest.mark.parametrize("top", [5, 100])
def test_the_best_unheard_songs_in_order(world, top):
    users, items, own, factors, heard = world
    found = {row.id: row.songs for row in nightly_lists(factors, heard, top).collect()}
    assert set(found) == set(users)
    for user, vector in users.items():
        unheard = [song for song in items if song not in own.get(user, ())]
        best = sorted(unheard, key=lambda song: -float(items[song] @ vector))[:top]
        assert found[user] == best


def test_equal_songs_stand_by_their_ids_and_strangers_change_nothing(spark):
    """A song of the window without a vector is nobody's last song."""
    vector = "id string, vector array<float>"
    users = spark.createDataFrame([("u", [1.0]), ("v", [1.0])], vector)
    items = spark.createDataFrame([(f"s{n}", [float(n < 8)]) for n in range(9)], vector)
    heard = spark.createDataFrame([("u", "s3"), ("u", "?")], "user_id string, track_id string")
    found = nightly_lists(Factors(users, items.repartition(3)), heard, 5).collect()
    assert {row.id: row.songs for row in found} == {
        "u": ["s0", "s1", "s2", "s4", "s5"],
        "v": ["s0", "s1", "s2", "s3", "s4"],
    }
    found = nightly_lists(Factors(users, items), heard, 20).collect()
    assert {row.id: row.songs[-1] for row in found} == {"u": "s8", "v": "s8"}


def test_who_has_heard_everything_gets_an_empty_list(spark, world):
    _, items, _, factors, _ = world
    everything = spark.createDataFrame(
        [("u1", s) for s in items], "user_id string, track_id string"
    )
    found = {row.id: row.songs for row in nightly_lists(factors, everything, 5).collect()}
    assert found["u1"] == []
    assert len(found["u2"]) == 5


def test_own_plays_are_the_most_played_ones_in_order(spark, monkeypatch):
    monkeypatch.setattr(lists, "OWN_PLAYS", 2)
    rows = [("u", "s1", 1), ("u", "s3", 5), ("u", "s2", 5), ("v", "s1", 1)]
    pairs = spark.createDataFrame(rows, "user_id string, track_id string, plays long")
    found = {row.id: [tuple(p) for p in row.plays] for row in lists.own_plays(pairs).collect()}
    assert found == {"u": [("s2", 5.0), ("s3", 5.0)], "v": [("s1", 1.0)]}
