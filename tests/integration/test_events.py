"""From a click to the lake and the counts; bad messages to quarantine."""

import json
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
import requests

from jobs.contract.names import PLAY_COUNTS, RAW_LOGS, SONGS
from jobs.stores.events import EventLog
from jobs.stores.lease import Lease, lake_writer
from jobs.stores.stream_health import StreamHealth
from tests.integration.lake import append, quarantine, raw_logs

TRACK = "song-00001"
LISTENER = "who-posts"
"""Nobody of the simulated world: other tests know what those have played."""


def event(action: str = "listen", at: datetime | None = None, **changes: object) -> dict:
    at = at or datetime.now(UTC)
    return {
        "event_id": uuid4().hex,
        "play_id": uuid4().hex,
        "track_id": TRACK,
        "timestamp": int(at.timestamp() * 1000),
        "action": action,
        "duration": 120,
        "total_duration": 200,
    } | changes


def post(stack, events: list[dict], user: str = LISTENER) -> requests.Response:
    return requests.post(
        f"{stack.app_url}/events",
        json={"events": events},
        headers=stack.headers(user),
        timeout=30,
    )


def in_lake(stack, ids: list[str], seconds: float = 60) -> list[dict]:
    """Return the lake's rows of these events, once all are there."""
    deadline = time.monotonic() + seconds
    while True:
        table = raw_logs(stack.settings, filters=[("event_id", "in", ids)])
        if len(table) >= len(ids):
            return table.to_pylist()
        assert time.monotonic() < deadline, f"{len(table)} of {len(ids)} within {seconds} s"
        time.sleep(1)


def counts(db) -> tuple[int, int]:
    song = db[SONGS].find_one({"_id": TRACK})
    return song["plays_7d"], song["plays_cumulative"]


def wait_for_counts(db, wanted: tuple[int, int], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while counts(db) != wanted:
        assert time.monotonic() < deadline, f"{counts(db)}, not {wanted}"
        time.sleep(1)


def wait_for(condition, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(1)


def quarantined(stack, reason: str) -> list[bytes]:
    return quarantine(stack.settings, filters=[("reason", "=", reason)])["raw"].to_pylist()


def test_a_play_is_in_the_lake_and_counted_within_a_minute(stack, published, db):
    before = counts(db)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    sent = [event(), event(at=yesterday), event(at=datetime.now(UTC) - timedelta(days=9))]
    sent += [event("skip", duration=5), event("complete", duration=200)]
    answer = post(stack, sent)
    assert answer.status_code == 202
    assert [r["status"] for r in answer.json()["results"]] == ["accepted"] * len(sent)
    found = {row["event_id"]: row for row in in_lake(stack, [e["event_id"] for e in sent])}
    for wanted in sent:
        row = found[wanted["event_id"]]
        day = datetime.fromtimestamp(wanted["timestamp"] / 1000, UTC).date()
        assert (row["date"], row["user_id"]) == (day, LISTENER)
        assert {name: row[name] for name in wanted} == wanted
        assert row["kafka_offset"] is not None
    # Three listens, of which two are in the last seven days; a skip and a complete are no plays.
    wait_for_counts(db, (before[0] + 2, before[1] + 3))


def test_the_nightly_truth_equals_the_fresh_counts(stack, published, db):
    sent = [event(), event()]
    before = counts(db)
    post(stack, sent)
    wait_for_counts(db, (before[0] + 2, before[1] + 2))
    fresh = counts(db)
    stack.done("maintain_lake", "--steps", "count")
    assert counts(db) == fresh
    plays = raw_logs(stack.settings, filters=[("track_id", "=", TRACK), ("action", "=", "listen")])
    assert fresh[1] == len(plays)
    # The stream goes on from there, and adds to it.
    post(stack, [event()])
    wait_for_counts(db, (fresh[0] + 1, fresh[1] + 1))


def test_counts_that_were_lost_come_back_from_the_lake(stack, published, db):
    right = counts(db)
    db[PLAY_COUNTS].delete_many({})
    db[SONGS].update_many({}, {"$set": {"plays_7d": 7777}})
    stack.done("maintain_lake", "--steps", "count")
    assert counts(db) == right


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"{not json", "malformed_json"),
        (b"\xff\xfe", "invalid_utf8"),
        (json.dumps(event("dance") | {"user_id": "u", "source": "real_user"}).encode(), "action"),
    ],
)
def test_a_bad_message_is_kept_with_its_reason(stack, published, message, reason):
    EventLog(stack.settings).send([("u", message)])
    deadline = time.monotonic() + 60
    today = date.fromisoformat(datetime.now(UTC).date().isoformat())
    while True:
        rows = quarantine(stack.settings, filters=[("date", ">=", today)]).to_pylist()
        found = [row for row in rows if row["raw"] == message]
        if found:
            break
        assert time.monotonic() < deadline, "not in quarantine within a minute"
        time.sleep(1)
    assert len(found) == 1
    assert reason in found[0]["reason"]


def test_the_stream_gives_way_to_a_writer_and_goes_on_afterwards(stack, published):
    sent = event()
    with closing(StreamHealth(stack.settings)) as health, lake_writer(stack.settings, "test"):
        post(stack, [sent])
        time.sleep(5)
        found = health.read()
        assert found["phase"] == "held"
        assert "test:" in found["holds"][0]
        assert len(raw_logs(stack.settings, filters=[("event_id", "=", sent["event_id"])])) == 0
    assert len(in_lake(stack, [sent["event_id"]])) == 1


def test_an_event_that_is_sent_twice_is_in_the_lake_once_and_its_copy_in_quarantine(
    stack, published
):
    sent = event()
    body = json.dumps(sent | {"user_id": LISTENER, "source": "real_user"}).encode()
    with closing(EventLog(stack.settings)) as log:
        log.send([(LISTENER, body)])
        in_lake(stack, [sent["event_id"]])
        log.send([(LISTENER, body)])
        other = event()
        post(stack, [other])
        in_lake(stack, [other["event_id"]])
    wait_for(lambda: body in quarantined(stack, "duplicate_event"), "a copy in quarantine")
    assert quarantined(stack, "duplicate_event").count(body) == 1
    assert len(raw_logs(stack.settings, filters=[("event_id", "=", sent["event_id"])])) == 1


def test_a_wider_rule_takes_back_from_quarantine_and_the_night_drops_a_late_copy(
    stack, published, tmp_path
):
    old = event(at=datetime.now(UTC) - timedelta(days=20))
    old |= {"user_id": LISTENER, "source": "real_user"}
    this_one = [("event_id", "=", old["event_id"])]
    body = json.dumps(old).encode()
    with closing(EventLog(stack.settings)) as log:
        log.send([(LISTENER, body)])
    wait_for(lambda: body in quarantined(stack, "old_timestamp"), "the event in quarantine")
    options = ("--reason", "old_timestamp", "--lateness-days", "30")
    assert "moved to raw/logs: 1" in stack.done("reprocess_quarantine", *options)
    (row,) = raw_logs(stack.settings, filters=this_one).to_pylist()
    assert row["kafka_offset"] is not None
    # The same event once more, in a log that is imported, and as a redelivery after long.
    (tmp_path / "again.jsonl").write_text(json.dumps(old))
    said = stack.done("import_logs", str(tmp_path / "again.jsonl"), "--format", "nocturne")
    assert "of which were there already: 1" in said
    assert raw_logs(stack.settings, filters=this_one).to_pylist() == [row]
    copy = row | {"kafka_offset": None, "kafka_partition": None, "received_at": datetime.now(UTC)}
    append(stack.settings, RAW_LOGS, [copy])
    said = stack.done("maintain_lake", "--steps", "deduplicate")
    assert "deduplicate: 1 later copies" in said
    assert raw_logs(stack.settings, filters=this_one).to_pylist() == [row]


def test_a_writer_needs_no_stream_that_held_the_lease_before(stack, db):
    settings = stack.settings.model_copy(update={"mongo_db": "nocturne_lease"})
    db.client.drop_database(settings.mongo_db)
    with lake_writer(settings, "first") as first:
        first.check()
        rival = Lease(settings, "rival")
        assert not rival.acquire()
        rival.close()
    with lake_writer(settings, "second") as second:
        second.check()
    db.client.drop_database(settings.mongo_db)
