"""Messages off the topic: valid ones become events, every other one is kept with its reason."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from jobs.contract.events import MAX_ID_LENGTH, MAX_MESSAGE_BYTES, QUARANTINE_LOG, RAW_LOG
from jobs.contract.fields import names
from jobs.stream.counts import events_per_hour
from jobs.stream.parse import parse_messages
from jobs.stream.validate import STREAM, Limits, accepted, refused

NOW = datetime(2025, 4, 1, 0, 1, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
DAY_MS = 86_400_000
GOOD = {
    "event_id": "e1",
    "user_id": "u1",
    "track_id": "t1",
    "timestamp": NOW_MS,
    "action": "listen",
    "duration": 200,
    "total_duration": 215,
    "source": "real_user",
}
SCHEMA = "key binary, value binary, partition int, offset bigint, timestamp timestamp"


def parsed(spark, values, limits=None):
    rows = [(None, value, 1, offset, NOW) for offset, value in enumerate(values)]
    messages = spark.createDataFrame(rows, SCHEMA)
    return parse_messages(messages, limits or STREAM).persist()


def message(**changes):
    return json.dumps({k: v for k, v in (GOOD | changes).items() if v is not ...}).encode()


VALID = {
    "plain": message(),
    "unicode": message(user_id="Zoë 東京 🎧", track_id="Ünïcode"),
    "no duration": message(duration=None, total_duration=...),
    "unknown field": message(mood="calm"),
    "spaces around": b"  \n" + message() + b"\n ",
    "context": message(listened_ms=200_100, position_ms=0, rank=3, cause="ended"),
    "part heard twice": message(duration=430, total_duration=215),
    "clock ahead": message(timestamp=NOW_MS + 5 * 60_000),
    "almost too old": message(timestamp=NOW_MS - 14 * DAY_MS),
    "longest id": message(user_id="u" * MAX_ID_LENGTH),
}

REFUSED = {
    "tombstone": (None, "empty"),
    "empty": (b"", "empty"),
    "blank": (b"   ", "malformed_json"),
    "not json": (b"hello", "malformed_json"),
    "cut short": (message()[:-1], "malformed_json"),
    "text after": (message() + b" junk", "malformed_json"),
    "two objects": (message() + message(), "malformed_json"),
    "two in a list": (message() + b"," + message(), "malformed_json"),
    "same key twice": (b'{"user_id":"a","user_id":"b"}', "malformed_json"),
    "single quotes": (b"{'user_id':'a'}", "malformed_json"),
    "NaN": (message()[:-1] + b', "x": NaN}', "malformed_json"),
    "10,000 levels": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too_nested"),
    "900 levels": (b'{"user_id":' * 900 + b"1" + b"}" * 900, "too_nested"),
    "open lists": (b"[" * 60_000, "too_nested"),
    "199 levels": (b'{"user_id":' * 199 + b"1" + b"}" * 199, "wrong_type"),
    "list": (b"[" + message() + b"]", "wrong_type"),
    "null": (b"null", "wrong_type"),
    "number": (b"17", "wrong_type"),
    "invalid utf-8": (message().replace(b"u1", b"\xc3\x28"), "invalid_utf8"),
    "utf-16": (json.dumps(GOOD).encode("utf-16"), "invalid_utf8"),
    "10 MB": (message(cause="x" * 10_000_000), "too_large"),
    "just too large": (message(cause="x" * MAX_MESSAGE_BYTES), "too_large"),
    "timestamp text": (message(timestamp=str(NOW_MS)), "wrong_type"),
    "timestamp float": (message(timestamp=NOW_MS + 0.5), "wrong_type"),
    "timestamp huge": (message(timestamp=10**25), "wrong_type"),
    "timestamp true": (message(timestamp=True), "wrong_type"),
    "duration float": (message(duration=200.5), "wrong_type"),
    "duration text": (message(duration="200"), "wrong_type"),
    "duration object": (message(duration={"s": 200}), "wrong_type"),
    "duration beyond int": (message(duration=2**31), "wrong_type"),
    "total list": (message(total_duration=[1]), "wrong_type"),
    "user number": (message(user_id=7), "wrong_type"),
    "track list": (message(track_id=["t1"]), "wrong_type"),
    "action number": (message(action=1), "wrong_type"),
    "rank text": (message(rank="1"), "wrong_type"),
    "no event id": (message(event_id=...), "missing_id"),
    "null user": (message(user_id=None), "missing_id"),
    "blank track": (message(track_id=" \u00a0\u200b"), "missing_id"),
    "long id": (message(user_id="u" * (MAX_ID_LENGTH + 1)), "bad_id"),
    "long id in bytes": (message(user_id="ü" * MAX_ID_LENGTH), "bad_id"),
    "control in id": (message(track_id="t\x001"), "bad_id"),
    "long play id": (message(play_id="p" * (MAX_ID_LENGTH + 1)), "bad_id"),
    "no timestamp": (message(timestamp=...), "missing_timestamp"),
    "no action": (message(action=...), "unknown_action"),
    "action in capitals": (message(action="LISTEN"), "unknown_action"),
    "unknown action": (message(action="dance"), "unknown_action"),
    "unknown source": (message(source="robot"), "unknown_source"),
    "no source": (message(source=None), "unknown_source"),
    "negative": (message(duration=-1), "absurd_duration"),
    "over a day": (message(duration=86_401, total_duration=None), "absurd_duration"),
    "negative length": (message(total_duration=-1), "absurd_duration"),
    "far over the length": (message(duration=491, total_duration=215), "absurd_duration"),
    "huge length": (message(total_duration=2**31 - 1), "absurd_duration"),
    "negative position": (message(position_ms=-1), "absurd_duration"),
    "1970": (message(timestamp=1_000), "old_timestamp"),
    "seconds, not ms": (message(timestamp=NOW_MS // 1000), "old_timestamp"),
    "negative time": (message(timestamp=-(2**63)), "old_timestamp"),
    "just too old": (message(timestamp=NOW_MS - 14 * DAY_MS - 1), "old_timestamp"),
    "future": (message(timestamp=NOW_MS + 5 * 60_000 + 1), "future_timestamp"),
    "far future": (message(timestamp=2**63 - 1), "future_timestamp"),
}


@pytest.fixture(scope="module")
def reasons(spark):
    values = [*VALID.values(), *(value for value, _ in REFUSED.values())]
    rows = parsed(spark, values).select("kafka_offset", "reason").collect()
    found = {row.kafka_offset: row.reason for row in rows}
    assert len(rows) == len(values)  # one row per message, none lost, none twice
    return dict(zip([*VALID, *REFUSED], (found[i] for i in range(len(values))), strict=True))


@pytest.mark.parametrize("name", VALID)
def test_valid_message_is_accepted(reasons, name):
    assert reasons[name] is None


@pytest.mark.parametrize("name", REFUSED)
def test_bad_message_has_its_reason(reasons, name):
    assert reasons[name] == REFUSED[name][1]


def test_accepted_rows_are_raw_logs(spark):
    late = message(event_id="e2", timestamp=NOW_MS - 120_000, rank=2)  # 23:59 of the day before
    frame = accepted(parsed(spark, [message(), b"nope", late]))
    assert frame.columns == names(RAW_LOG)
    assert [kind for _, kind in frame.dtypes] == [field.type for field in RAW_LOG]
    first, second = sorted(frame.collect(), key=lambda row: row.event_id)
    assert (first.date, second.date) == (date(2025, 4, 1), date(2025, 3, 31))
    assert {key: first[key] for key in GOOD} == GOOD
    assert (first.kafka_partition, first.kafka_offset, second.rank) == (1, 0, 2)
    assert first.import_id is None


def test_refused_rows_keep_the_message(spark):
    bad = message().replace(b"u1", b"\xff")
    frame = refused(parsed(spark, [bad, None, message()]))
    assert frame.columns == names(QUARANTINE_LOG)
    assert [kind for _, kind in frame.dtypes] == [field.type for field in QUARANTINE_LOG]
    rows = sorted(frame.collect(), key=lambda row: row.kafka_offset)
    assert [bytes(row.raw) for row in rows] == [bad, b""]
    assert {row.date for row in rows} == {date(2025, 4, 1)}


def test_days_are_utc_in_any_session(spark):
    spark.conf.set("spark.sql.session.timeZone", "Pacific/Auckland")
    try:
        assert accepted(parsed(spark, [message()])).first().date == date(2025, 4, 1)
        assert refused(parsed(spark, [b"x"])).first().date == date(2025, 4, 1)
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_lateness_is_the_callers(spark):
    value = message(timestamp=NOW_MS - 3 * DAY_MS)
    strict, none = Limits(timedelta(days=2)), Limits(None)
    assert parsed(spark, [value], strict).first().reason == "old_timestamp"
    assert parsed(spark, [value], none).first().reason is None


def test_events_are_counted_by_hour_and_kind_in_utc(spark):
    generation = "g20250331T0200_1a2b3c4d"
    values = [
        message(event_id="e1", origin="smart", generation=generation),
        message(event_id="e2", origin="smart", generation=generation),
        message(event_id="e3", origin="$where", generation="'; drop table"),
        message(event_id="e4", action="skip", timestamp=NOW_MS - 120_000),
    ]
    events = accepted(parsed(spark, values))
    spark.conf.set("spark.sql.session.timeZone", "Pacific/Auckland")
    try:
        found = {tuple(row) for row in events_per_hour(events).collect()}
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    hour = NOW_MS // 3_600_000
    assert found == {
        (hour, "listen", "smart", generation, 2),
        (hour, "listen", "other", None, 1),
        (hour - 1, "skip", "other", None, 1),
    }
