"""How live events are sent and counted: to the event log, or to the app's POST /events."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import urllib3
from urllib3.exceptions import HTTPError

from jobs.contract.errors import NocturneError
from jobs.simulate.live import Event

EVENTS_PER_REQUEST = 50
CONNECTIONS = 8
ATTEMPTS = 8
LONGEST_WAIT_S = 30
TAKEN = {"accepted", "duplicate"}


class ReceiverAway(NocturneError):
    """No attempt was answered; the receiver may have the last events all the same."""


@dataclass
class Counts:
    """Events of one run; what was sent is acknowledged or failed in the end."""

    sent: int = 0
    acknowledged: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Events that were refused, or about which the receiver said nothing."""
        return self.sent - self.acknowledged


class Sender(Protocol):
    """Sends events: the fields of the contract that have a value."""

    def send(self, events: Sequence[Event], counts: Counts) -> None:
        """Send and count; raises ReceiverAway when the receiver stays away."""

    def close(self) -> None:
        """Let go of connections; nothing waits to be sent."""


class Log(Protocol):
    """The event log: takes (user_id, JSON) messages, and returns when it has every one."""

    def send(self, messages: list[tuple[str, bytes]]) -> None:
        """Write the messages."""

    def close(self) -> None:
        """Let go of the connection."""


class LogSender:
    """Writes to the event log, again as long as it raises `away`."""

    def __init__(self, log: Log, away: type[Exception]) -> None:
        self._log, self._away = log, away

    def send(self, events: Sequence[Event], counts: Counts) -> None:
        """Write all at once, and all of them again where the log did not take every one."""
        counts.sent += len(events)
        messages = [(event["user_id"], json.dumps(event).encode()) for event in events]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._log.send(messages)
            except self._away as error:
                if attempt == ATTEMPTS:
                    raise ReceiverAway(f"gave up after {ATTEMPTS} attempts: {error}") from error
                time.sleep(1)
            else:
                counts.acknowledged += len(events)
                return

    def close(self) -> None:
        """Close the log; `send` returned when it had the events."""
        self._log.close()


class HttpSender:
    """Posts each listener's events with that listener's token.

    429 and 503 are obeyed: the same events go again after Retry-After, or after a growing
    pause where the answer has none.
    """

    def __init__(self, url: str, token_of: Callable[[str], str]) -> None:
        self._url = f"{url.rstrip('/')}/events"
        self._token_of = token_of
        self._tokens: dict[str, str] = {}
        retry = urllib3.Retry(
            total=ATTEMPTS - 1,
            status_forcelist=(429, 503),
            allowed_methods=None,  # POST too: event ids make a second one harmless
            backoff_factor=0.25,
            backoff_max=LONGEST_WAIT_S,
            retry_after_max=LONGEST_WAIT_S,
        )
        self._http = urllib3.PoolManager(maxsize=CONNECTIONS, retries=retry, timeout=10)
        self._workers = ThreadPoolExecutor(CONNECTIONS)

    def send(self, events: Sequence[Event], counts: Counts) -> None:
        """Post the listeners' events side by side, those of one listener in their order."""
        counts.sent += len(events)
        by_listener: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            by_listener[event["user_id"]].append(event)
        posts = [self._workers.submit(self._post_all, *item) for item in by_listener.items()]
        away = ""
        for post in posts:
            try:
                acknowledged, complaints = post.result()
                counts.acknowledged += acknowledged
                counts.complaints += complaints
            except HTTPError as error:
                away = f"no answer to POST {self._url} after {ATTEMPTS} attempts: {error}"
        if away:
            raise ReceiverAway(away)

    def close(self) -> None:
        """Let go of threads and connections."""
        self._workers.shutdown()
        self._http.clear()

    def _post_all(self, user_id: str, events: list[Event]) -> tuple[int, list[str]]:
        """Return how many events were acknowledged, and why others were not."""
        acknowledged, complaints = 0, []
        for start in range(0, len(events), EVENTS_PER_REQUEST):
            part = events[start : start + EVENTS_PER_REQUEST]
            taken, complaint = self._post(user_id, part)
            acknowledged += taken
            complaints += complaint
        return acknowledged, complaints

    def _post(self, user_id: str, events: list[Event]) -> tuple[int, list[str]]:
        if user_id not in self._tokens:
            self._tokens[user_id] = self._token_of(user_id)
        bare = [{k: v for k, v in event.items() if k != "user_id"} for event in events]
        answer = self._http.request(
            "POST",
            self._url,
            json={"events": bare},
            headers={"Authorization": f"Bearer {self._tokens[user_id]}"},
        )
        if answer.status != 202:
            return 0, [f"{answer.status} for {len(events)} events: {answer.data[:300]!r}"]
        results = answer.json()["results"]
        taken = {result["event_id"] for result in results if result["status"] in TAKEN}
        refused = [str(result) for result in results if result["status"] not in TAKEN]
        return sum(event["event_id"] in taken for event in events), refused
