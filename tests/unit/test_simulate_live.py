"""Live events: paced, in order, sent again when refused for now, and counted."""

import json
import threading
import time
from collections import defaultdict
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import pytest

from jobs.contract.settings import Settings
from jobs.contract.tokens import listener_token, read_token
from jobs.simulate.live import live_events
from jobs.simulate.senders import Counts, HttpSender, LogSender, ReceiverAway
from jobs.simulate.world import WorldArguments, make_world
from jobs.simulate_live import paced

SETTINGS = Settings(token_secret="a secret for tests, 32 bytes long")


@pytest.fixture(scope="module")
def world():
    return make_world(WorldArguments(30, date(2026, 11, 22), listeners=300, songs=400, seed=2))


class App(ThreadingHTTPServer):
    """Answers as POST /events does: 503 to the first requests, then 202; keeps what it took."""

    def __init__(self, busy: int = 0, retry_after: str = "", refuse: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.busy, self.retry_after, self.refuse = busy, retry_after, refuse
        self.taken: dict[str, list[dict]] = defaultdict(list)
        self.sizes: list[int] = []
        self.lock = threading.Lock()

    def answer(self, user: str, events: list[dict]) -> tuple[int, dict]:
        with self.lock:
            if self.busy:
                self.busy -= 1
                return 503, {}
            self.sizes.append(len(events))
            results = []
            for event in events:
                known = event["event_id"] in {known["event_id"] for known in self.taken[user]}
                status = "rejected" if event["track_id"] == self.refuse else "accepted"
                results.append({"event_id": event["event_id"], "status": status})
                if not known and status == "accepted":
                    self.taken[user].append(event)
            return 202, {"results": results}


class Handler(BaseHTTPRequestHandler):
    server: App
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        token = self.headers["Authorization"].removeprefix("Bearer ")
        status, answer = self.server.answer(read_token(SETTINGS, token).subject, body["events"])
        payload = json.dumps(answer).encode()
        self.send_response(status)
        if status == 503 and self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def app():
    apps = []

    def start(**options) -> App:
        apps.append(App(**options))
        threading.Thread(target=apps[-1].serve_forever, args=(0.05,), daemon=True).start()
        return apps[-1]

    yield start
    for running in apps:
        running.shutdown()
        running.server_close()


def batch(world, size: int) -> list[dict]:
    return [event | {"timestamp": 1} for event in islice(live_events(world, 1000), size)]


def post(app: App, events: list[dict]) -> Counts:
    counts = Counts()
    url = f"http://127.0.0.1:{app.server_port}"
    sender = HttpSender(url, lambda user: listener_token(SETTINGS, user))
    try:
        sender.send(events, counts)
    finally:
        sender.close()
    return counts


def test_a_listen_comes_before_its_complete(world):
    seen = defaultdict(list)
    for event in islice(live_events(world, 1000), 3000):
        seen[event["play_id"]].append(event["action"])
    assert {tuple(actions) for actions in seen.values()} == {
        ("skip",),
        ("listen",),
        ("listen", "complete"),
    }


def test_every_run_has_ids_of_its_own(world):
    first, second, elsewhere = (
        {e["event_id"] for e in islice(live_events(world, *when), 200)}
        for when in ((1,), (2,), (1, "kafka"))
    )
    assert not first & elsewhere
    assert len(first) == len(second) == 200
    assert not first & second


@pytest.mark.parametrize("speed", [1, 60])
def test_pace_and_clock(world, speed):
    before = time.time() * 1000
    batches = list(paced(live_events(world, 1), 50, 1.0, speed, threading.Event()))
    after = time.time() * 1000
    stamps = [event["timestamp"] for batch in batches for event in batch]
    assert len(stamps) == 50
    assert len(batches) > 2
    assert 500 < after - before < 5000
    assert stamps == sorted(stamps)
    assert stamps[-1] <= after
    assert stamps[-1] - stamps[0] == pytest.approx(speed * 980, rel=0.01)


def test_a_stop_ends_the_pace(world):
    stop = threading.Event()
    batches = paced(live_events(world, 1), 10, 3600, 1, stop)
    assert next(batches)
    stop.set()
    assert list(batches) == []


def test_each_listeners_events_arrive_in_order_with_their_token(world, app):
    server, events = app(), batch(world, 400)
    counts = post(server, events)
    assert (counts.sent, counts.acknowledged, counts.failed) == (400, 400, 0)
    for user in {event["user_id"] for event in events}:
        theirs = [event for event in events if event["user_id"] == user]
        bare = [{k: v for k, v in event.items() if k != "user_id"} for event in theirs]
        assert server.taken[user] == bare


def test_no_request_is_larger_than_allowed(world, app):
    server = app()
    events = [event | {"user_id": "listener-0001"} for event in batch(world, 120)]
    assert post(server, events).failed == 0
    assert server.sizes == [50, 50, 20]


@pytest.mark.parametrize("retry_after", ["1", ""])
def test_busy_means_the_same_events_again(world, app, retry_after):
    server, events = app(busy=2, retry_after=retry_after), batch(world, 30)
    started = time.monotonic()
    counts = post(server, events)
    assert time.monotonic() - started > (0.95 if retry_after else 0)
    assert counts.failed == 0
    assert sum(len(taken) for taken in server.taken.values()) == 30


def test_rejected_events_are_failures_with_their_reason(world, app):
    events = batch(world, 60)
    refused = events[0]["track_id"]
    counts = post(app(refuse=refused), events)
    assert counts.failed == sum(event["track_id"] == refused for event in events)
    assert len(counts.complaints) == counts.failed


def test_nobody_there(world, monkeypatch):
    monkeypatch.setattr("jobs.simulate.senders.ATTEMPTS", 2)
    counts = Counts()
    sender = HttpSender("http://127.0.0.1:9", lambda user: "t")
    with pytest.raises(ReceiverAway, match=r"http://127\.0\.0\.1:9/events"):
        sender.send(batch(world, 5), counts)
    sender.close()
    assert counts.failed == 5


class FlakyLog:
    """A log that is away for some calls; it keeps what it took."""

    def __init__(self, away: int) -> None:
        self.away, self.taken = away, []

    def send(self, messages):
        if self.away:
            self.away -= 1
            raise TimeoutError("away")
        self.taken += messages

    def close(self):
        pass


@pytest.mark.parametrize(("away", "acknowledged"), [(0, 20), (1, 20), (2, 0)])
def test_the_log_is_tried_again(world, monkeypatch, away, acknowledged):
    monkeypatch.setattr("jobs.simulate.senders.ATTEMPTS", 2)
    log, counts, events = FlakyLog(away), Counts(), batch(world, 20)
    sender = LogSender(log, TimeoutError)
    if acknowledged:
        sender.send(events, counts)
        assert [(key, json.loads(value)) for key, value in log.taken] == [
            (event["user_id"], event) for event in events
        ]
    else:
        with pytest.raises(ReceiverAway):
            sender.send(events, counts)
    assert counts.acknowledged == acknowledged
    assert counts.failed == 20 - acknowledged
