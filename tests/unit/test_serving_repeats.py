"""Events that come again: what the edge answers, and what it sends to the broker."""

import json
import time

import pytest

from jobs.contract.tokens import listener_token
from jobs.stores.events import BrokerUnavailable
from serving.recommend.sources import Away
from serving.services import EXTENSION
from tests.unit.apps import app_with, away_settings


class Memory:
    """What Redis keeps of events that were sent, for as long as the test."""

    def __init__(self):
        self.marks, self.reads, self.up = set(), 0, True

    def sent(self, user_id, marks):
        if not self.up:
            raise Away("redis")
        self.reads += 1
        return {mark for mark in marks if (user_id, mark) in self.marks}

    def add_plays(self, user_id, plays, skips, marks):
        if not self.up:
            raise Away("redis")
        self.marks |= {(user_id, mark) for mark in marks}


class Log:
    def __init__(self):
        self.messages, self.up = [], True

    def send(self, messages):
        if not self.up:
            raise Away("kafka") from BrokerUnavailable("away")
        self.messages += [json.loads(body)["event_id"] for _, body in messages]


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def post(memory, log):
    settings = away_settings()
    app = app_with(settings, cache=memory, events=log)
    client = app.test_client()

    def send(*events, user="ann"):
        headers = {"Authorization": f"Bearer {listener_token(settings, user)}"}
        response = client.post("/events", json={"events": events}, headers=headers)
        if response.status_code != 202:
            return response.status_code
        return [result["status"] for result in response.json["results"]]

    yield send
    app.extensions[EXTENSION].stores.close()


def event(event_id, **changes):
    now = time.time_ns() // 1_000_000
    given = {"event_id": event_id, "track_id": "t", "timestamp": now, "action": "listen"}
    return given | changes


def test_what_was_acknowledged_is_a_duplicate_and_is_not_sent_again(post, log, memory):
    assert post(event("a"), event("b")) == ["accepted"] * 2
    assert post(event("a"), event("c")) == ["duplicate", "accepted"]
    assert log.messages == ["a", "b", "c"]
    assert memory.reads == 2


def test_of_two_in_one_batch_the_second_is_the_duplicate(post, log):
    assert post(event("a"), event("a"), event("b")) == ["accepted", "duplicate", "accepted"]
    assert log.messages == ["a", "b"]


def test_a_play_has_one_event_of_each_kind(post, log):
    assert post(event("a", play_id="p")) == ["accepted"]
    assert post(event("b", play_id="p")) == ["duplicate"]
    assert post(event("c", play_id="p", action="complete")) == ["accepted"]
    assert post(event("d", play_id="q")) == ["accepted"]
    assert log.messages == ["a", "c", "d"]


def test_other_listeners_may_have_the_same_ids(post, log):
    assert post(event("a", play_id="p")) == ["accepted"]
    assert post(event("a", play_id="p"), user="bea") == ["accepted"]
    assert log.messages == ["a", "a"]


def test_a_rejected_one_is_no_first(post):
    assert post(event("a", action="dance"), event("a")) == ["rejected", "accepted"]
    assert post(event("a", action="dance")) == ["rejected"]


def test_what_the_broker_did_not_take_is_taken_later(post, log):
    log.up = False
    assert post(event("a")) == 503
    log.up = True
    assert post(event("a")) == ["accepted"]
    log.up = False
    assert post(event("a")) == ["duplicate"]


def test_without_redis_events_are_taken_and_only_the_batch_is_looked_at(post, log, memory):
    memory.up = False
    assert post(event("a"), event("a")) == ["accepted", "duplicate"]
    assert post(event("a")) == ["accepted"]
    assert log.messages == ["a", "a"]
