"""Which posted events are accepted, and what is written of them."""

import json

import pytest

from jobs.contract.events import EVENT
from jobs.contract.fields import names
from serving.intake import judge, message

NOW = 1_767_225_600_000  # 2026-01-01
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


def posted(**changes):
    event = {
        "event_id": "e1",
        "track_id": "t1",
        "timestamp": NOW,
        "action": "listen",
        "duration": 100,
        "total_duration": 180,
    } | changes
    return {name: value for name, value in event.items() if value is not None}


def test_what_is_written():
    item = posted(play_id="p1", listened_ms=100_400, rank=2, sent_at=NOW)
    judged = judge(item, "u1", NOW)
    written = json.loads(message(judged.event))
    assert written == {
        "event_id": "e1",
        "play_id": "p1",
        "user_id": "u1",
        "track_id": "t1",
        "timestamp": NOW,
        "action": "listen",
        "duration": 100,
        "total_duration": 180,
        "source": "real_user",
        "listened_ms": 100_400,
        "rank": 2,
    }
    assert set(written) <= set(names(EVENT))


def test_every_field_of_the_contract_can_be_sent():
    values = {"string": "x", "bigint": 1, "int": 1}
    item = {f.name: values[f.type] for f in EVENT}
    item |= {"timestamp": NOW, "action": "skip", "source": "simulation", "user_id": "u1"}
    assert json.loads(message(judge(item, "u1", NOW).event)) == item


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": NOW + 5 * MINUTE},
        {"timestamp": NOW - 13 * DAY},
        {"user_id": "u1"},
        {"source": "simulation"},
        {"duration": None, "total_duration": None},
        {"duration": 0, "total_duration": 0, "action": "skip"},
        {"duration": 420, "total_duration": 180},
        {"track_id": "é" * 64},
    ],
)
def test_accepted(changes):
    assert judge(posted(**changes), "u1", NOW).reason is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"timestamp": NOW + 5 * MINUTE + 1}, "timestamp: lies in the future"),
        ({"timestamp": NOW - 14 * DAY}, "timestamp: is older than 14 days"),
        ({"timestamp": None}, "timestamp: Field required"),
        ({"timestamp": "2026-01-01"}, "timestamp: Input should be a valid integer"),
        ({"timestamp": 10**30}, "timestamp: "),
        ({"timestamp": True}, "timestamp: Input should be a valid integer"),
        ({"user_id": "u2"}, "user_id: is not the listener of the token"),
        ({"event_id": None}, "event_id: Field required"),
        ({"event_id": "x" * 129}, "event_id: Value error, must have at most 128 bytes"),
        ({"track_id": "é" * 65}, "track_id: Value error, must have at most 128 bytes"),
        ({"track_id": " "}, "track_id: Value error, must not be blank"),
        ({"track_id": "a\nb"}, "track_id: Value error, must not be blank nor have control"),
        ({"track_id": {"$ne": 1}}, "track_id: Input should be a valid string"),
        ({"action": "love"}, "action: Input should be 'listen', 'skip' or 'complete'"),
        ({"source": "bot"}, "source: "),
        ({"duration": -1}, "duration: "),
        ({"duration": 1.5}, "duration: "),
        ({"duration": "100"}, "duration: "),
        ({"duration": 86_401}, "duration: "),
        ({"duration": 421}, "Value error, duration: is far beyond total_duration"),
        ({"rank": 0}, "rank: "),
        ({"received_at": NOW}, "received_at: Extra inputs are not permitted"),
    ],
)
def test_rejected(changes, reason):
    judged = judge(posted(**changes), "u1", NOW)
    assert judged.event is None
    assert judged.reason.startswith(reason)


@pytest.mark.parametrize("item", [None, 1, "x", [], {}])
def test_what_is_no_event_is_rejected(item):
    assert judge(item, "u1", NOW).event is None


@pytest.mark.parametrize(
    ("sent_at", "timestamp", "expected"),
    [
        (NOW - 4 * MINUTE, NOW - 5 * MINUTE, NOW - 5 * MINUTE),  # nearly right: left alone
        (NOW + 30 * DAY, NOW + 30 * DAY - MINUTE, NOW - MINUTE),  # a month ahead
        (NOW - 30 * DAY, NOW - 30 * DAY - MINUTE, NOW - MINUTE),  # a month behind
    ],
)
def test_a_wrong_clock_is_corrected(sent_at, timestamp, expected):
    judged = judge(posted(sent_at=sent_at, timestamp=timestamp), "u1", NOW)
    assert judged.event.timestamp == expected
