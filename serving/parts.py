"""One store as one worker uses it: connected when first needed, left alone while it is away."""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from circuitbreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker
from opentelemetry import trace

from serving import metrics
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
tracer = trace.get_tracer(__name__)


class Part(Generic[Client]):
    """A circuit round a store's client, so that no answer waits for a store known to be away.

    After two failures in a row calls are refused at once; every three seconds one call may
    try again, over a new connection. The client is made by the first call: none of the stores'
    clients survives a fork, and workers fork after the app is loaded.
    """

    def __init__(
        self, name: str, failures: tuple[type[Exception], ...], connect: Callable[[], Client]
    ) -> None:
        self.name = name
        self._failures = failures
        self._connect = connect
        self._client: Client | None = None
        self._connecting = threading.Lock()
        self._trying = threading.Lock()
        self._circuit = CircuitBreaker(FAILURES_TO_OPEN, COOL_SECONDS, failures, name=name)
        metrics.begin_store(name)

    @property
    def state(self) -> str:
        """Return `closed` (the store answers), `open` or `half_open`."""
        return str(self._circuit.state)

    def call(self, use: Callable[[Client], Result]) -> Result:
        """Return `use(client)`; raises Away when the store does not answer."""
        before = self.state
        if before == STATE_OPEN:
            raise Away(self.name)
        if before == STATE_CLOSED:
            return self._call(use)
        # The library lets every thread try at once; of a store that hangs, one has to be enough.
        if not self._trying.acquire(blocking=False):
            raise Away(self.name)
        try:
            # What hung may be the connection alone; nobody else is using it now.
            with contextlib.suppress(*self._failures):
                self.close()
            result = self._call(use)
        finally:
            self._trying.release()
        log.warning("%s is back", self.name)
        metrics.CIRCUIT.labels(self.name).set(0)
        return result

    def _call(self, use: Callable[[Client], Result]) -> Result:
        was = self.state
        try:
            with self._circuit, tracer.start_as_current_span(self.name):
                return use(self._connected())
        except self._failures as error:
            if was == STATE_CLOSED and self.state == STATE_OPEN:
                log.warning("%s is away: %s", self.name, error)
                metrics.CIRCUIT.labels(self.name).set(1)
            raise Away(self.name) from error

    def close(self) -> None:
        """End the client's connections; a later call makes a new client."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

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
