"""An app of the browser tests' own on the stack's servers, and what it wrote to the broker."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from confluent_kafka import Consumer, TopicPartition

from jobs.contract.settings import Settings
from jobs.contract.tokens import listener_token
from jobs.stores.events import connection, ensure_topic
from tests.integration.stack import Stack
from tests.wires import Wire, wired_app

TOPIC = "browser_log"
SETTLED_SECONDS = 1.5
"""What is not in the broker so long after the last thing that was to come, does not come."""

T = TypeVar("T")


@dataclass
class Posted:
    """Every event that the broker has of these tests, by the listener."""

    settings: Settings
    _seen: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._consumer = Consumer(connection(self.settings) | {"group.id": "browser-tests"})
        parts = range(self.settings.kafka_partitions)
        self._consumer.assign([TopicPartition(TOPIC, part, 0) for part in parts])

    def of(self, user_id: str) -> list[dict[str, Any]]:
        """Return the listener's events so far, in the order in which they came."""
        while message := self._consumer.poll(0.3):
            if message.error() is None:
                self._seen.append(json.loads(message.value() or b"{}"))
        return [event for event in self._seen if event["user_id"] == user_id]

    def actions(self, user_id: str, expected: int) -> list[str]:
        """Return the actions of the listener's events, once there are as many and no more come."""
        until(lambda: len(self.of(user_id)) >= expected, f"{expected} events of {user_id}")
        time.sleep(SETTLED_SECONDS)
        return [event["action"] for event in self.of(user_id)]

    def close(self) -> None:
        """End the connection."""
        self._consumer.close()


@dataclass(frozen=True)
class Rig:
    """The app at `url`, with a wire to each store that can be broken."""

    stack: Stack
    url: str
    wires: dict[str, Wire]
    posted: Posted

    def token(self, user_id: str) -> str:
        """Return a token of the listener."""
        return listener_token(self.stack.settings, user_id)

    def ask(self, method: str, path: str, user_id: str, **given: Any) -> Any:
        """Return what the app answers this listener, outside of any browser."""
        headers = {"Authorization": f"Bearer {self.token(user_id)}"}
        answer = requests.request(method, self.url + path, headers=headers, timeout=30, **given)
        answer.raise_for_status()
        return answer.json()


def until(true: Callable[[], T], what: str, seconds: float = 15.0) -> T:
    """Return the first true value; fail with what was waited for."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)
    return value


@contextmanager
def running(stack: Stack, **changes: str) -> Iterator[Rig]:
    """Run an app with a topic of its own; `changes` are more settings."""
    settings = stack.settings
    ensure_topic(settings.model_copy(update={"kafka_topic": TOPIC}))
    own = {"NOCTURNE_KAFKA_TOPIC": TOPIC, "NOCTURNE_MIN_TRACK_MS": "0"}
    url, process, wires = wired_app(stack, "browser_app.log", **own, **changes)
    posted = Posted(settings)
    rig = Rig(stack, url, wires, posted)
    try:
        until(lambda: answers(f"{rig.url}/readyz"), "the app", 60)
        yield rig
    finally:
        process.terminate()
        process.wait(30)
        posted.close()
        for wire in wires.values():
            wire.break_it("cut")


def answers(url: str) -> bool:
    """Return whether this address is answered well."""
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False
