"""The proof that the lake has every offset once."""

import pytest

from jobs.contract.errors import OffsetsLost
from jobs.maintenance import offsets
from jobs.maintenance.offsets import Offsets, by_bucket, holes, judge, places, repeats
from jobs.stream_plays import refuse_gaps

LOG = "kafka_partition int, kafka_offset long"
RANGE = "kafka_partition int, first_offset long, last_offset long"


@pytest.fixture
def held(spark, monkeypatch):
    monkeypatch.setattr(offsets, "BUCKET", 4)

    def build(logs, quarantine=(), removed=()):
        return places(
            spark.createDataFrame(logs, LOG),
            spark.createDataFrame(quarantine, LOG),
            spark.createDataFrame(removed, RANGE),
        )

    return build


def findings(rows):
    return judge(by_bucket(rows).collect())


def test_every_offset_once_over_all_three_tables(held):
    rows = held([(0, 7), (0, 8), (0, 12), (1, 0), (None, None)], [(0, 9)], [(0, 10, 11)])
    assert findings(rows) == [Offsets(0, 7, 12, 6, 0, 0), Offsets(1, 0, 0, 1, 0, 0)]


def test_a_hole_and_a_repeat_do_not_make_up_for_each_other(held):
    rows = held([(0, 0), (0, 1), (0, 1), (0, 3)])
    assert findings(rows) == [Offsets(0, 0, 3, 4, 1, 1)]
    assert [tuple(r) for r in holes(rows).collect()] == [(0, 2, 2)]
    assert [tuple(r) for r in repeats(rows).collect()] == [(0, 1, 2)]


def test_a_hole_as_large_as_whole_buckets_is_seen(held):
    rows = held([(0, 0), (0, 25)], removed=[(0, 1, 4)])
    assert findings(rows)[0].missing == 20
    assert [tuple(r) for r in holes(rows).collect()] == [(0, 5, 24)]


def test_an_offset_in_two_tables_is_a_repeat(held):
    assert findings(held([(0, 0), (0, 1)], [(0, 1)]))[0].repeated == 1
    assert findings(held([(0, 0), (0, 1)], removed=[(0, 0, 0)]))[0].repeated == 1


def test_what_kafka_dropped_unread_is_named():
    refuse_gaps("t", {0: 5}, {0: (5, 9), 1: (3, 3)})
    refuse_gaps("t", {0: 9}, {0: (5, 9)})
    with pytest.raises(OffsetsLost, match="offsets 4 to 4 of t, partition 0"):
        refuse_gaps("t", {0: 4}, {0: (5, 9)})
    with pytest.raises(OffsetsLost, match="made anew"):
        refuse_gaps("t", {0: 10}, {0: (5, 9)})
