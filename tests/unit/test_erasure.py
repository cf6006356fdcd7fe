"""Which rows are an erased listener's: all of theirs, and nobody else's."""

import bz2
import gzip
import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from jobs.contract.erasure import ID_COLUMNS, Erased, Erasure, listener_hash
from jobs.contract.events import REMOVED_OFFSET
from jobs.contract.fields import ddl, names
from jobs.maintenance.erasure import is_erased_event, is_erased_text, removed_offsets
from jobs.maintenance.files import parquet_without, row_count, users_without
from jobs.songs.sources import read_source
from jobs.songs.users import user_rows, without_erased

ASKED = 1_700_000_000_000
ANN = Erasure(listener_hash("ann"), ASKED, "ann")
ANN_BY_HASH = Erasure(listener_hash("ann"), ASKED)
BO_LEE = Erasure(listener_hash("bo lee"), ASKED, "bo lee")


def millis(value):
    return datetime.fromtimestamp(value / 1000, UTC)


@pytest.mark.parametrize(
    ("user_id", "happened", "arrived", "goes"),
    [
        ("ann", ASKED, ASKED + 9, True),  # in the last millisecond, and it came late
        ("ann", ASKED + 9, ASKED, True),  # the player's clock is ahead
        ("ann", ASKED + 1, ASKED + 1, False),  # played after the request
        ("anna", ASKED - 9, ASKED - 9, False),
        ("bo lee", ASKED, ASKED, True),
    ],
)
def test_events_from_before_the_request_go(spark, user_id, happened, arrived, goes):
    rows = spark.createDataFrame(
        [(user_id, happened, millis(arrived))],
        "user_id string, timestamp bigint, received_at timestamp",
    )
    assert rows.where(is_erased_event([ANN_BY_HASH, BO_LEE])).count() == goes


REFUSED = [
    # raw, goes with the id known, goes with only its hash known
    ('{"user_id": "ann", "track_id": "s1"}', True, True),
    ('{"user_id": "a\\u006en"}', True, True),
    ('{"user_name": "ann", "user_id": null}', True, True),
    ('{"user_id": "bob", "userid": "ann"}', True, True),
    ('{"user_id": "bob", "track_id": "ann"}', False, False),
    ('{"user_id": {"id": "ann"}}', True, True),
    ('{"track_id": "s1"} {"user_id": "ann"}', True, True),
    ('{"user_id": "bob"} ann', True, True),
    ('{"user_id": "ann", "track', True, True),
    ('["ann"]', True, True),
    ("ann\ts1\tyesterday", True, True),
    ("ann@example.org,s1", False, False),
    ("joann,s1", False, False),
    ("ann-marie,s1", False, False),
    ("x,bo lee,s1", True, False),  # by its hash no id with a blank can be found in text
    ('{"user_id": "bo lee"}', True, True),
    ('{"user_id": "\u00a0ann "}', True, True),
    ('{"a":' * 5000 + "ann", True, True),
    ("", False, False),
]


@pytest.mark.parametrize("known", ["id", "hash"])
def test_refused_rows(spark, known):
    by_id = [ANN, BO_LEE]
    erased = Erased(by_id if known == "id" else [Erasure(e.id, ASKED) for e in by_id])
    rows = spark.createDataFrame([(raw.encode(),) for raw, *_ in REFUSED], "raw binary")
    rows = rows.union(spark.createDataFrame([(b"\xff,ann,\xfe",)], "raw binary"))
    found = rows.where(is_erased_text(F.col("raw"), ID_COLUMNS, erased)).collect()
    wanted = [raw.encode() for raw, *goes in REFUSED if goes[known == "hash"]]
    assert [bytes(row.raw) for row in found] == [*wanted, b"\xff,ann,\xfe"]


def test_offsets_become_ranges_without_what_is_listed(spark):
    gone = [(0, 4), (0, 5), (0, 6), (0, 8), (1, 7), (1, 7), (1, 9), (None, None)]
    rows = spark.createDataFrame(gone, "kafka_partition int, kafka_offset bigint")
    listed = [(0, 5, 5, "erased", millis(ASKED)), (1, 8, 20, "retention", millis(ASKED))]
    known = spark.createDataFrame(listed, ddl(REMOVED_OFFSET))
    ranges = removed_offsets(rows, known)
    assert ranges.columns == names(REMOVED_OFFSET)
    assert sorted(tuple(row)[:4] for row in ranges.collect()) == [
        (0, 4, 4, "erased"),
        (0, 6, 6, "erased"),
        (0, 8, 8, "erased"),
        (1, 7, 7, "erased"),
    ]
    assert removed_offsets(rows, known.union(ranges)).isEmpty()


def test_offsets_in_a_row_are_one_range(spark):
    rows = spark.createDataFrame(
        [(2, n) for n in (5, 3, 4)], "kafka_partition int, kafka_offset bigint"
    )
    (found,) = removed_offsets(rows, spark.createDataFrame([], ddl(REMOVED_OFFSET))).collect()
    assert (found.first_offset, found.last_offset) == (3, 5)


CSV = (
    b'\xef\xbb\xbfage,User ID,name\r\n7,ann,"Ann,\nof here"\r\n8,bob,ann\r\n9, ann ,x\n\n'
    b"ann,bob\n1,z\xff,q"
)
CSV_LEFT = b"\xef\xbb\xbfage,User ID,name\r\n8,bob,ann\r\n\n1,z\xff,q"
LINES = b'{"id": "ann"}\n{"user_id": "bob", "id": "ann"}\n{"name": "ann"}\nann}\n{"user_id": 7}\n'
LINES_LEFT = b'{"user_id": "bob", "id": "ann"}\n{"user_id": 7}\n'


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
@pytest.mark.parametrize(
    ("name", "body", "left", "gone"),
    [
        ("u.csv", CSV, CSV_LEFT, 3),
        ("u.psv", CSV.replace(b",", b"|"), CSV_LEFT.replace(b",", b"|"), 3),
        ("u.jsonl", LINES, LINES_LEFT, 3),
        ("old.csv/part-0", CSV, CSV_LEFT, 3),
    ],
)
def test_user_files_lose_their_rows_and_no_other_byte(name, body, left, gone, pack):
    erased = Erased([ANN_BY_HASH])
    kept, rows = users_without(f"landing/users/{name}", pack(body), erased)
    unpacked = {bytes: bytes, gzip.compress: gzip.decompress, bz2.compress: bz2.decompress}[pack]
    assert (unpacked(kept), rows) == (left, gone)
    assert users_without(f"landing/users/{name}", kept, erased) == (kept, 0)


def test_an_open_quote_costs_nobody_else_their_row():
    body = b'user_id,name\n1,"open\nann,A\nbob,B\n'
    kept, rows = users_without("landing/users/u.csv", body, Erased([ANN]))
    assert (kept, rows) == (b'user_id,name\n1,"open\nbob,B\n', 1)


@pytest.mark.parametrize("name", ["u.xlsx", "u.parquet", "u.csv.gz"])
def test_a_file_that_cannot_be_rewritten_is_counted(name):
    """Another kind, damaged Parquet, and a damaged archive."""
    damaged = b"\x1f\x8b, ann," if name.endswith("gz") else b"PAR, ann,"
    assert users_without(f"landing/users/{name}", damaged, Erased([ANN])) == (damaged, 1)


def test_factors_lose_the_row_and_keep_their_schema():
    ids = ["ann", "bob", "cyd"]
    vector = pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32()))
    table = pa.table({"id": ids, "vector": vector}).replace_schema_metadata({"spark": "schema"})
    written = io.BytesIO()
    pq.write_table(table, written)
    kept, gone = parquet_without(written.getvalue(), Erased([ANN_BY_HASH]))
    assert (gone, row_count(kept)) == (1, 2)
    assert b"ann" not in kept
    left = pq.read_table(io.BytesIO(kept))
    assert left.schema.equals(pq.read_schema(written), check_metadata=True)
    assert left.to_pylist() == [row for row in table.to_pylist() if row["id"] != "ann"]


def test_user_lists_leave_out_whom_they_may_not_name(spark, tmp_path):
    lines = [
        {"id": "ann", "name": "A"},
        {"id": "\u00a0ann "},
        {"id": "bob", "name": "ann"},
        {"x": "ann"},
    ]
    text = "\n".join([*map(json.dumps, lines), "ann}", ""])
    (tmp_path / "u.jsonl").write_text(text)
    rows = user_rows(read_source(spark, str(tmp_path / "u.jsonl"), "u.jsonl"))
    assert without_erased(rows, []).count() == 5
    left = without_erased(rows, [ANN.id]).collect()
    assert [row.user_id for row in left] == ["bob"]


def test_a_row_number_is_no_user_id(spark, tmp_path):
    (tmp_path / "u.csv").write_text("id,user_id\n1,7\n7,8\n8,1\n7,8,9\n")
    rows = user_rows(read_source(spark, str(tmp_path / "u.csv"), "u.csv"))
    left = without_erased(rows, [listener_hash("7")]).collect()
    assert [row.user_id for row in left] == ["8", "1"]
