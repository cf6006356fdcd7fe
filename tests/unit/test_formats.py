"""Every format of a log: each row of a source is one event or is refused with its reason."""

import json
from datetime import UTC, datetime

import pytest

from jobs.import_logs import _arguments, choose, without_known
from jobs.stream.formats import FORMATS, Shape, read_events
from jobs.stream.identify import imported
from jobs.stream.validate import accepted, refused

NOW = datetime(2025, 4, 1, tzinfo=UTC)
MS = 1_000


def events_of(spark, path, *options):
    """Read one file as the job does, up to the two tables; persisted, as the job does it."""
    args = _arguments([str(path), *options])
    (reading,) = choose([path], args.format, args.reading).values()
    if reading.shape is Shape.PARQUET:
        rows = spark.read.parquet(str(path))
    else:
        rows = spark.read.text(str(path))
    return imported(read_events(rows, FORMATS[args.format], reading), "i1", NOW).persist()


def plays(events):
    rows = accepted(events).orderBy("timestamp", "user_id").collect()
    return [(r.user_id, r.track_id, r.timestamp, r.duration, r.total_duration) for r in rows]


def reasons(events):
    return sorted(row.reason for row in refused(events).collect())


@pytest.fixture(scope="module")
def thirty_music(spark, shared_data):
    path = shared_data / "30music" / "sessions_sample_10.parquet.snappy"
    return path, events_of(spark, path, "--format", "30music")


def test_every_row_of_30music_is_one_event(spark, thirty_music):
    path, events = thirty_music
    source = spark.read.parquet(str(path))
    rows = accepted(events)
    assert source.count() == 343_183 == rows.count()
    assert refused(events).count() == 0
    assert rows.select("event_id").distinct().count() == 343_183
    written = source.selectExpr(
        "cast(user_id as string)", "cast(song_id as string)", "ts * 1000", "cast(playtime as int)"
    )
    read = rows.select("user_id", "track_id", "timestamp", "duration")
    assert written.exceptAll(read).count() == 0
    assert [str(d) for d in rows.selectExpr("min(date)", "max(date)").first()] == [
        "2014-01-20",
        "2015-01-20",
    ]


def test_30music_gets_the_same_ids_again(spark, thirty_music, tmp_path):
    path, events = thirty_music
    some = tmp_path / "some.parquet"
    spark.read.parquet(str(path)).where("user_id < 500").orderBy("playtime").coalesce(
        1
    ).write.parquet(str(some))
    (part,) = some.glob("*.parquet")
    again = accepted(events_of(spark, part, "--format", "30music")).drop("import_id")
    first = accepted(events).drop("import_id").where("cast(user_id as int) < 500")
    assert again.exceptAll(first).count() == 0 == first.exceptAll(again).count()


def test_lastfm_1k(spark, tmp_path):
    path = tmp_path / "plays.tsv"
    path.write_text(
        'user_1\t2009-05-04T23:08:57Z\ta1\tDeep "Dish"\tt1\tFuck Me Im Famous\n'
        "user_1\t2009-05-04T13:54:10Z\t\t坂本龍一\t\tComposition 0919\n"
        "user_2\t2009-05-04T13:54:10Z\t\t 坂本龍一\t\tcomposition 0919\n"
        "user_2\t2009-05-04T13:52:04Z\t\t\t\t\n"
        "user_2\tyesterday\ta\tb\tc\td\n"
        "user_2\t2009-05-04T13:52:04Z\ta\n"
        "\n",
        encoding="utf-8",
    )
    events = events_of(spark, path, "--format", "lastfm-1k")
    (u1, named, at, heard, _), (_, named_again, *_), last = plays(events)
    assert (u1, at, heard) == ("user_1", 1_241_445_250 * MS, None)
    assert named == named_again
    assert named.startswith("name-")
    assert last[:3] == ("user_1", "t1", 1_241_478_537 * MS)
    assert reasons(events) == ["malformed_row", "missing_id", "wrong_type"]


def listen(**changes):
    row = {
        "user_name": "rob",
        "listened_at": 1_400_000_000,
        "recording_msid": "m1",
        "track_metadata": {"artist_name": "A", "track_name": "T", "additional_info": {}},
    }
    return json.dumps({k: v for k, v in (row | changes).items() if v is not None})


def test_listenbrainz(spark, tmp_path):
    lengths = {"duration_ms": 215_900, "recording_mbid": "b1", "duration_played": 100}
    text_length = {"duration_ms": "180000", "recording_mbid": ""}
    named = {"artist_name": "A", "track_name": "T"}
    lines = [
        listen(),
        listen(listened_at=1_400_000_001, track_metadata=named | {"additional_info": lengths}),
        listen(listened_at=1_400_000_002, track_metadata=named | {"additional_info": text_length}),
        listen(listened_at=1_400_000_003, recording_msid=None, user_name=None, user_id=7),
        listen(track_metadata={}, recording_msid=None),
        listen(user_name=None),
        listen(listened_at="soon"),
        listen(listened_at=None),
        listen(listened_at=0),
        listen() + "x",
    ]
    path = tmp_path / "listens.jsonl"
    path.write_text("\n".join(lines))
    events = events_of(spark, path, "--format", "listenbrainz")
    first, second, third, fourth = plays(events)
    assert first == ("rob", "m1", 1_400_000_000 * MS, None, None)
    assert second == ("rob", "b1", 1_400_000_001 * MS, 100, 215)
    assert third == ("rob", "m1", 1_400_000_002 * MS, None, 180)
    assert fourth[0] == "7"
    assert fourth[1].startswith("name-")
    assert reasons(events) == [
        "malformed_json",
        "missing_id",
        "missing_id",
        "missing_timestamp",
        "old_timestamp",
        "wrong_type",
    ]
    assert lines[-1] in [bytes(row.raw).decode() for row in refused(events).collect()]


EVENT_LINE = {
    "event_id": "e1",
    "user_id": "u1",
    "track_id": "t1",
    "timestamp": 1_700_000_000_000,
    "action": "skip",
    "duration": 3,
    "source": "simulation",
}


def test_nocturne_lines(spark, tmp_path):
    without_id = {k: v for k, v in EVENT_LINE.items() if k not in ("event_id", "source")}
    rows = [
        EVENT_LINE,
        EVENT_LINE,  # redelivered: once is enough
        EVENT_LINE | {"track_id": "", "duration": 4},  # the same id, but refused for itself
        without_id,
        without_id,  # two real events that look alike: both stay
        EVENT_LINE | {"event_id": "e2", "timestamp": "now"},
        EVENT_LINE | {"event_id": "e3", "timestamp": int(NOW.timestamp() * MS) + 300_001},
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    events = events_of(spark, path, "--format", "nocturne")
    found = accepted(events).collect()
    assert len({row.event_id for row in found}) == len(found) == 3
    assert sorted(row.source for row in found) == ["real_user", "real_user", "simulation"]
    assert {row.action for row in found} == {"skip"}
    assert reasons(events) == ["duplicate_event", "future_timestamp", "missing_id", "wrong_type"]


def test_nocturne_parquet(spark, tmp_path):
    spark.createDataFrame(
        [("u1", "t1", 1_700_000_000_000, "listen", 3.0), ("u1", "t1", 10**15, "listen", None)],
        "user_id string, track_id string, timestamp bigint, action string, duration double",
    ).coalesce(1).write.parquet(str(tmp_path / "log"))
    (path,) = (tmp_path / "log").glob("*.parquet")
    events = events_of(spark, path, "--format", "nocturne", "--source", "simulation")
    assert plays(events) == [("u1", "t1", 1_700_000_000_000, 3, None)]
    assert accepted(events).first().source == "simulation"
    row = refused(events).first()
    assert (row.reason, json.loads(bytes(row.raw))["duration"]) == ("future_timestamp", None)


@pytest.mark.parametrize(
    ("unit", "written"),
    [("s", "1400000000.25"), ("ms", "1400000000250"), ("iso", "2014-05-13T18:53:20.25+02:00")],
)
def test_columns(spark, tmp_path, unit, written):
    path = tmp_path / "log.csv"
    path.write_text(
        "\ufeffwho,what,when,secs\n"
        f'u1,"a, ""b""",{written},200.9\n'
        f"u1,t2,{written},\n"
        f"u1,t3,12:30,1\n"
        f"u1,t4,{written},long\n"
        f",t5,{written},1\n"
        f"u1,t6,{written}\n"
        f'u1,"t7,{written},1\n'
    )
    columns = "user_id=who,track_id=what,timestamp=when,duration=secs"
    events = events_of(
        spark, path, "--format", "columns", "--map", columns, "--timestamp-unit", unit
    )
    at = 1_400_000_000_250
    assert sorted(plays(events)) == [("u1", 'a, "b"', at, 200, None), ("u1", "t2", at, None, None)]
    assert reasons(events) == sorted(["malformed_row"] * 2 + ["wrong_type"] * 2 + ["missing_id"])


def test_columns_without_header(spark, tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"t1|u1|1400000000|listen\nt1|u\xff|1400000000|listen\nt1|u1|1400000000|hum\n")
    columns = "user_id=2,track_id=1,timestamp=3,action=4"
    options = ("--format", "columns", "--map", columns, "--delimiter", "|", "--no-header")
    events = events_of(spark, path, *options)
    assert plays(events) == [("u1", "t1", 1_400_000_000_000, None, None)]
    assert reasons(events) == ["invalid_utf8", "unknown_action"]


def test_a_mended_file_adds_only_what_is_new(spark, tmp_path):
    """Two identical plays are two plays, in the first file as in the second."""
    rows = ["ann;t1;100", "ann;t1;100", "ben;t2;never"]
    options = ("--format", "columns", "--map", "user_id=u,track_id=t,timestamp=at")
    options += ("--delimiter", ";")
    found = []
    for name, last in (("first", rows[2]), ("mended", "ben;t2;200")):
        path = tmp_path / f"{name}.csv"
        lines = ["u;t;at", *[row.replace("100", "1700000000") for row in rows[:2]]]
        path.write_text("\n".join([*lines, last.replace("200", "1700000200")]) + "\n")
        found.append(accepted(events_of(spark, path, *options)))
    first, mended = found
    assert (first.count(), mended.count()) == (2, 3)
    (new,) = without_known(mended, first.select("date", "event_id")).collect()
    assert (new.user_id, new.track_id) == ("ben", "t2")
    assert without_known(mended, first.select("date", "event_id")).columns == mended.columns
