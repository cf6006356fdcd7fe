"""Where a session ends, against the plain definition."""

import random

import pytest

from jobs.contract.events import SESSION_GAP_SECONDS
from jobs.training.sessions import in_sessions

GAP = SESSION_GAP_SECONDS * 1000
PLAY = "user_id string, track_id string, timestamp bigint"


def found(spark, plays):
    """Return the track ids of each session, in the order of their places."""
    sessions: dict[str, dict[int, str]] = {}
    for row in in_sessions(spark.createDataFrame(plays, PLAY)).collect():
        assert row.place not in sessions.setdefault(row.session, {})
        sessions[row.session][row.place] = row.track_id
    assert all(sorted(places) == list(range(len(places))) for places in sessions.values())
    return sorted([places[at] for at in sorted(places)] for places in sessions.values())


def expected(plays):
    sessions: list[list[str]] = []
    before = (None, 0)
    for user_id, timestamp, track_id in sorted((u, at, track) for u, track, at in plays):
        if before[0] != user_id or timestamp - before[1] >= GAP:
            sessions.append([])
        sessions[-1].append(track_id)
        before = (user_id, timestamp)
    return sorted(sessions)


@pytest.mark.parametrize(("gap", "sessions"), [(GAP - 1, 1), (GAP, 2)])
def test_a_gap_of_thirty_minutes_ends_a_session(spark, gap, sessions):
    plays = [("u", "a", 1000), ("u", "b", 1000 + gap), ("v", "c", 1000)]
    assert len(found(spark, plays)) == sessions + 1


def test_listeners_whose_ids_look_alike_share_nothing(spark):
    plays = [("u", "a", 17), ("u 1", "b", 7), ("u 17", "c", 17), ("", "d", 17)]
    assert found(spark, plays) == [["a"], ["b"], ["c"], ["d"]]


def test_plays_of_one_millisecond_stand_by_their_ids(spark):
    plays = [("u", track, 5) for track in ("c", "a", "b", "a")]
    for some in (plays, plays[::-1]):
        assert found(spark, some) == [["a", "a", "b", "c"]]


@pytest.mark.parametrize("seed", range(3))
def test_any_log(spark, seed):
    rng = random.Random(seed)
    plays = [
        (f"u{rng.randrange(8)}", f"s{rng.randrange(20)}", rng.randrange(40) * (GAP // 3))
        for _ in range(300)
    ]
    assert found(spark, plays) == expected(plays)


def test_what_else_is_known_of_a_play_stays(spark):
    plays = spark.createDataFrame([("u", "a", 1, "x")], f"{PLAY}, more string")
    assert in_sessions(plays).columns == [*plays.columns, "session", "place"]
    assert in_sessions(plays).first().more == "x"
