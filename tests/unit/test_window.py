"""The edges of the training window, where an off-by-one would leak or lose a day."""

from datetime import date, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.training.window import (
    fingerprint,
    plays_between,
    plays_per_pair,
    popular,
    totals,
    window_start,
)

AS_OF = date(2025, 4, 1)
LOG = "user_id string, track_id string, action string, date date, timestamp bigint"
NOON = 1_743_422_400_000


def listens(spark: SparkSession, *plays: tuple[str, str, date]) -> DataFrame:
    return spark.createDataFrame([(u, t, "listen", d, NOON) for u, t, d in plays], LOG)


def test_a_play_of_one_half_life_ago_counts_half(spark):
    logs = listens(spark, ("u", "s", date(2025, 3, 2)), ("u", "s", date(2025, 3, 31)))
    plays = plays_between(logs, window_start(AS_OF, 90), AS_OF)
    (row,) = plays_per_pair(plays, AS_OF, 30).collect()
    assert row.plays == pytest.approx(0.5 + 0.5 ** (1 / 30))


def test_a_fingerprint_is_of_the_plays_and_not_of_their_order(spark):
    logs = listens(spark, ("u", "s", date(2025, 3, 2)), ("v", "s", date(2025, 3, 31)))
    plays = plays_between(logs, window_start(AS_OF, 90), AS_OF)
    assert fingerprint(plays) == fingerprint(plays.repartition(3).orderBy("timestamp"))
    assert fingerprint(plays) != fingerprint(plays.limit(1))
    assert fingerprint(plays) != fingerprint(plays.unionAll(plays))
    assert fingerprint(plays.limit(0)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("day", "plays"),
    [
        (date(2025, 4, 1), []),  # as_of itself is out
        (date(2025, 3, 31), [1]),  # the day before is the last one in
        (date(2025, 1, 1), [1]),  # day 90 is the first one in
        (date(2024, 12, 31), []),  # day 91
    ],
)
def test_window_edges(spark, day, plays):
    logs = listens(spark, ("u", "s", day))
    rows = plays_per_pair(plays_between(logs, window_start(AS_OF, 90), AS_OF), AS_OF).collect()
    assert [row.plays for row in rows] == plays


def test_only_listens_are_plays(spark):
    day = date(2025, 3, 1)
    rows = [("u", "s", action, day, NOON) for action in ("listen", "skip", "complete", "listen")]
    logs = spark.createDataFrame([*rows, ("u", "t", "skip", day, NOON)], LOG)
    pairs = plays_per_pair(plays_between(logs, window_start(AS_OF, 90), AS_OF), AS_OF)
    assert [tuple(row) for row in pairs.collect()] == [("u", "s", 2)]


def test_totals(spark):
    pairs = spark.createDataFrame(
        [("u", "s", 3), ("u", "t", 1), ("v", "t", 2)], "user_id string, track_id string, plays long"
    )
    assert totals(pairs).first().asDict() == {"plays": 6, "pairs": 3, "users": 2, "items": 2}
    assert totals(pairs.limit(0)).first().asDict() == dict.fromkeys(
        ("plays", "pairs", "users", "items"), 0
    )


def test_popular_is_of_last_week_and_topped_up_from_the_window(spark):
    """`old` has most plays, but a week and a day ago; `a` and `b` are equal in everything."""
    week, before = AS_OF - timedelta(days=7), AS_OF - timedelta(days=8)
    plays = [("u", "b", week), ("u", "a", week), ("u", "hit", week), ("v", "hit", week)]
    plays += [("u", "old", before)] * 5 + [("u", "older", before)]
    found = popular(listens(spark, *plays), AS_OF, 4).collect()
    assert [(row.track_id, row.plays) for row in found] == [
        ("hit", 2),
        ("a", 1),
        ("b", 1),
        ("old", 5),
    ]


def test_one_listener_on_repeat_makes_no_song_popular(spark):
    """Songs with three listeners lead, by the week, then by the window; the rest fills up."""
    week, before = date(2025, 3, 31), date(2025, 2, 1)
    plays = [("u", "repeat", week)] * 9
    plays += [(u, "week", week) for u in "abc"]
    plays += [(u, "window", before) for u in "abcdef"]
    plays += [(u, "both", day) for u in "ab" for day in (week, before)] + [("c", "both", before)]
    logs = plays_between(listens(spark, *plays), window_start(AS_OF, 90), AS_OF)
    found = [row.track_id for row in popular(logs, AS_OF, 10, 3).collect()]
    assert found == ["week", "window", "both", "repeat"]
    assert [row.track_id for row in popular(logs, AS_OF, 1, 1).collect()] == ["repeat"]
