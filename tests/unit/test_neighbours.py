"""Session neighbours against the plain definition, and their bound on endless sessions."""

import random
from collections import defaultdict

import numpy as np
import pytest
from pyspark.sql import functions as F

from jobs.training.exact import Limits
from jobs.training.neighbours import session_vectors, song_neighbours
from jobs.training.recipe import Recipe

PLAY = "session string, place int, track_id string"


def in_places(spark, sessions):
    plays = [
        (session, place, track)
        for session, tracks in sessions.items()
        for place, track in enumerate(tracks)
    ]
    random.Random(0).shuffle(plays)
    return spark.createDataFrame(plays, PLAY).repartition(3)


NO_VECTORS = [], np.zeros((0, 2), np.float32)


def found(spark, sessions, top=100, vectors=NO_VECTORS):
    rows = song_neighbours(in_places(spark, sessions), vectors, top).collect()
    lists = {row.id: [(n.id, n.weight) for n in row.neighbours] for row in rows}
    assert len(lists) == len(rows)
    return lists


def weights(sessions):
    """The definition: every two plays of a session at most 20 places apart, both directions.

    Each row at length 1.
    """
    rows = defaultdict(lambda: defaultdict(float))
    for tracks in sessions.values():
        for at, x in enumerate(tracks):
            for lag, y in enumerate(tracks[at + 1 : at + 21]):
                if x != y:
                    rows[x][y] += 0.7**lag
                    rows[y][x] += 0.5 * 0.7**lag
    return {
        x: {y: count / sum(c * c for c in row.values()) ** 0.5 for y, count in row.items()}
        for x, row in rows.items()
    }


def ranked(row, top):
    """Sums of fractions that ought to be equal differ in their last digits: as billionths."""
    best = sorted(row.items(), key=lambda pair: (-round(pair[1], 7), pair[0]))[:top]
    return [(song, pytest.approx(weight, rel=1e-5)) for song, weight in best]


def test_the_next_song_counts_more_than_the_last_and_the_one_after(spark):
    lists = found(spark, {"a": ["x", "y", "z"]})
    for song, expected in (
        ("y", {"z": 1, "x": 0.5}),
        ("x", {"y": 1, "z": 0.7}),
        ("z", {"y": 0.5, "x": 0.35}),
    ):
        length = sum(weight**2 for weight in expected.values()) ** 0.5
        assert lists[song] == [(y, pytest.approx(w / length)) for y, w in expected.items()]


@pytest.mark.parametrize("top", [3, 100])
@pytest.mark.parametrize("seed", range(3))
def test_any_sessions(spark, seed, top):
    rng = random.Random(seed)
    sessions = {
        f"session {n}": [f"s{rng.randrange(25)}" for _ in range(rng.choice([1, 2, 9, 60]))]
        for n in range(40)
    }
    assert found(spark, sessions, top) == {x: ranked(r, top) for x, r in weights(sessions).items()}


def test_equal_neighbours_stand_by_their_ids(spark):
    """Each of the others is once at each distance from `x`: all sums are of the same parts."""
    songs = [f"s{n:02}" for n in range(20)]
    turned = [songs[n:] + songs[:n] for n in range(20)]
    lists = found(spark, {str(n): ["x", *tracks] for n, tracks in enumerate(turned)})
    assert [song for song, _ in lists["x"]] == songs
    assert len({weight for _, weight in lists["x"]}) == 1


def test_a_song_alone_and_a_song_on_repeat_have_no_neighbours(spark):
    assert found(spark, {"a": ["x"], "b": ["y"] * 50}) == {}


def test_an_endless_session_costs_twenty_pairs_a_play(spark):
    plays = 10_000
    tracks = [f"s{n}" for n in range(plays)]
    lists = found(spark, {"night and day": tracks})
    assert sum(map(len, lists.values())) == 2 * sum(min(20, n) for n in range(plays))
    row = dict(lists["s5000"])
    assert set(row) == {f"s{5_000 + lag}" for lag in range(-20, 21) if lag}
    length = sum((w * 0.7**lag) ** 2 for lag in range(20) for w in (1, 0.5)) ** 0.5
    assert lists["s5000"][0] == ("s5001", pytest.approx(1 / length))


def test_songs_at_a_small_angle_are_nearer(spark):
    """z, once after x as y is, comes first for its angle; the opposite w loses nothing by its."""
    vectors = {"x": (1, 0), "y": (0, 3), "z": (4, 3), "w": (-1, 0)}
    sessions = {"a": ["x", "y"], "b": ["x", "z"], "c": ["x", "w"], "d": ["x", "unknown"]}
    given = list(vectors), np.array(list(vectors.values()), np.float32)
    share = pytest.approx(1 / 2)
    assert found(spark, sessions, vectors=given)["x"] == [
        ("z", pytest.approx(1 / 2 + 0.2 * 4 / 5)),
        *((song, share) for song in ("unknown", "w", "y")),
    ]
    assert [song for song, _ in found(spark, sessions, 1, given)["x"]] == ["z"]


@pytest.mark.parametrize("limits", [Limits(), Limits(driver_pairs=0)], ids=["driver", "executors"])
def test_session_vectors_lie_together_where_sessions_share_songs(spark, limits):
    """Two tastes, in sessions of two songs: also those that never met are near in one taste."""
    sessions = {
        f"{taste}{a}{b}": [f"{taste}{a}", f"{taste}{b}"]
        for taste in "pq"
        for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))
    }
    recipe = Recipe(4, 0.1, 40.0, 10, "log", 1, limits=limits)
    # As `in_sessions` has it: a session is never null, which Arrow hands on.
    plays = in_places(spark, sessions).withColumn("session", F.concat_ws(" ", "session"))
    ids, matrix = session_vectors(plays, recipe)
    unit = dict(zip(ids, matrix / np.linalg.norm(matrix, axis=1, keepdims=True), strict=True))
    assert sorted(unit) == [f"{taste}{n}" for taste in "pq" for n in range(4)]
    assert unit["p0"] @ unit["p2"] > 0.5
    assert abs(unit["p0"] @ unit["q2"]) < 0.1


def test_too_many_sessions_leave_the_counts_alone(spark, capsys):
    sessions = in_places(spark, {"a": ["x", "y"], "b": ["y", "z"]})
    recipe = Recipe(4, 0.1, 40.0, 2, "log", 1, limits=Limits(driver_pairs=0, broadcast_mib=0))
    vectors = session_vectors(sessions, recipe)
    assert vectors[0] == []
    assert "NOCTURNE_EXACT_BROADCAST_MIB" in capsys.readouterr().out
    assert song_neighbours(sessions, vectors).count() == 3
