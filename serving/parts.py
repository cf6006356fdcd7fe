"""One store as one worker uses it: connected when first needed, left alone while it is away."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from serving.recommend.sources import Away


class Closable(Protocol):
    """A client that holds connections."""

    def close(self) -> None:
        """End them."""
        ...


Client = TypeVar("Client", bound=Closable)
Result = TypeVar("Result")

FAILURES_TO_OPEN = 2
COOL_SECONDS = 3.0
CONNECT_SECONDS = 2.0

log = logging.getLogger(__name__)


class Part(Generic[Client]):
    """A circuit round a store's client, so that no answer waits for a store known to be away.

    After two failures in a row calls are refused at once; every three seconds one call may
    try again. The client is made by the first call: none of the stores' clients survives a
    fork, and workers fork after the app is loaded.
    """

    def __init__(
        self, name: str, failures: tuple[type[Exception], ...], connect: Callable[[], Client]
    ) -> None:
        self.name = name
        self._failures = failures
        self._connect = connect
        self._client: Client | None = None
        self._connecting = threading.Lock()
        self._state = threading.Lock()
        self._failed = 0
        self._retry_at = 0.0

    def call(self, use: Callable[[Client], Result]) -> Result:
        """Return `use(client)`; raises Away when the store does not answer."""
        if not self._may_try():
            raise Away(self.name)
        try:
            result = use(self._connected())
        except self._failures as error:
            self._note_failure(error)
            raise Away(self.name) from error
        self._note_success()
        return result

    def close(self) -> None:
        """End the client's connections; a later call makes a new client."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _may_try(self) -> bool:
        with self._state:
            if self._failed < FAILURES_TO_OPEN:
                return True
            if time.monotonic() < self._retry_at:
                return False
            self._retry_at = time.monotonic() + COOL_SECONDS  # this call tries, others don't
            return True

    def _connected(self) -> Client:
        if self._client is not None:
            return self._client
        if not self._connecting.acquire(timeout=CONNECT_SECONDS):
            raise Away(self.name)
        try:
            if self._client is None:
                self._client = self._connect()
            return self._client
        finally:
            self._connecting.release()

    def _note_failure(self, error: Exception) -> None:
        with self._state:
            self._failed += 1
            self._retry_at = time.monotonic() + COOL_SECONDS
            if self._failed == FAILURES_TO_OPEN:
                log.warning("%s is away: %s", self.name, error)

    def _note_success(self) -> None:
        with self._state:
            if self._failed >= FAILURES_TO_OPEN:
                log.warning("%s is back", self.name)
            self._failed = 0
