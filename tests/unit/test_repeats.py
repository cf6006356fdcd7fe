"""Events that came twice: dropped by the stream within its horizon, found in the lake beyond it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from jobs.contract.events import DUPLICATE, RAW_LOG
from jobs.contract.fields import ddl
from jobs.maintenance.duplicates import as_quarantined, later_copies
from jobs.stream.repeats import drop_repeats

COLUMNS = "event_id string, reason string, raw binary, kafka_partition int, kafka_offset long"
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


def batches(spark, tmp_path, *files):
    """Run the stream over files, one micro-batch each; return the rows of each."""
    out = []
    for n, rows in enumerate(files):
        spark.createDataFrame(rows, COLUMNS).coalesce(1).write.parquet(str(tmp_path / f"in/{n}"))
    stream = spark.readStream.schema(COLUMNS).option("maxFilesPerTrigger", 1)
    query = (
        drop_repeats(stream.parquet(str(tmp_path / "in/*")), 10)
        .writeStream.option("checkpointLocation", str(tmp_path / "checkpoint"))
        .foreachBatch(lambda df, _: out.append(df.collect()))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    return [row for rows in out for row in rows]


def test_a_retried_event_is_dropped_within_a_batch_and_across_batches(spark, tmp_path):
    first = [("a", None, b"x", 0, 0), ("a", None, b"x", 0, 1), ("b", None, b"x", 1, 0)]
    second = [("a", None, b"x", 1, 1), ("c", None, b"x", 0, 2)]
    rows = batches(spark, tmp_path, first, second)
    assert sorted(row.event_id for row in rows) == ["a", "b", "c"]
    assert {row.raw for row in rows} == {None}


def test_refused_messages_are_never_repeats_and_keep_their_bytes(spark, tmp_path):
    bad = [(None, "empty", b"1", 0, 0), (None, "empty", b"1", 0, 1), ("a", "bad_id", b"2", 0, 2)]
    rows = batches(spark, tmp_path, [*bad, ("a", None, b"x", 0, 3), ("0:0", None, b"x", 0, 4)])
    assert sorted(row.kafka_offset for row in rows) == [0, 1, 2, 3, 4]
    assert sorted(bytes(row.raw) for row in rows if row.reason) == [b"1", b"1", b"2"]


@pytest.fixture
def logs(spark):
    def row(event_id, minutes, offset, import_id=None, track="s"):
        values = {
            "event_id": event_id,
            "user_id": "u",
            "track_id": track,
            "timestamp": 1,
            "action": "listen",
            "source": "simulation",
            "received_at": AT + timedelta(minutes=minutes),
            "kafka_partition": None if offset is None else 0,
            "kafka_offset": offset,
            "import_id": import_id,
            "date": date(2026, 11, 21),
        }
        return tuple(values.get(field.name) for field in RAW_LOG)

    return spark.createDataFrame(
        [
            row("once", 0, 0),
            row("twice", 5, 2, track="later"),
            row("twice", 1, 1),
            row("thrice", 9, 9),
            row("thrice", 8, 8),
            row("thrice", 0, None, import_id="file"),
        ],
        ddl(RAW_LOG),
    )


def test_the_first_copy_stays_and_the_later_ones_are_found(logs):
    found = {(r.event_id, r.kafka_offset) for r in later_copies(logs).collect()}
    assert found == {("twice", 2), ("thrice", 8), ("thrice", 9)}


def test_a_later_copy_is_kept_in_quarantine_with_its_place(logs):
    rows = as_quarantined(later_copies(logs)).where("kafka_offset = 2").collect()
    assert [(r.reason, r.kafka_partition, r.date) for r in rows] == [(DUPLICATE, 0, AT.date())]
    assert b'"track_id":"later"' in rows[0].raw
