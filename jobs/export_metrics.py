"""Show Prometheus what the stores know of stream, jobs and generations, at GET /metrics.

Every scrape reads the stores anew. One that does not answer is `nocturne_up 0`, and its figures
are left out.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from pymongo.errors import PyMongoError

from jobs.contract import names
from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.reporting import exposition
from jobs.stores.alerts import Alerts
from jobs.stores.documents import Document
from jobs.stores.event_counts import EventCounts
from jobs.stores.events import BrokerUnavailable, topic_bounds
from jobs.stores.generations import Generations, Pointer
from jobs.stores.job_phases import JobPhases
from jobs.stores.objects import Objects
from jobs.stores.stream_health import StreamHealth, unread

STORE_SECONDS = 2.0
"""All of them together must answer within Prometheus' ten."""
AWAY = (PyMongoError, BotoCoreError, ClientError, BrokerUnavailable)

T = TypeVar("T")


@dataclass(frozen=True)
class Known:
    """What MongoDB says, as metrics, and what the other stores are asked with."""

    metrics: list[Metric]
    health: Document
    live: str | None


class StoreMetrics(Collector):
    """Reads the stores at each scrape; scrapes may overlap."""

    def __init__(self, settings: Settings) -> None:
        wait_ms = int(STORE_SECONDS * 1000)
        self._settings = settings
        self._stream = StreamHealth(settings, wait_ms)
        self._alerts = Alerts(settings, wait_ms)
        self._events = EventCounts(settings, wait_ms)
        self._generations = Generations(settings, wait_ms)
        self._phases = JobPhases(settings, wait_ms)
        self._objects = Objects(settings, STORE_SECONDS)

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of every store that answers."""
        answered: dict[str, bool] = {}
        known = _ask("mongodb", self._known, answered)
        bounds = _ask("kafka", lambda: topic_bounds(self._settings, STORE_SECONDS), answered)
        live = known.live if known else None
        report = _ask("minio", lambda: self._report(live), answered)
        yield from exposition.parts(answered)
        if known:
            yield from known.metrics
            yield from exposition.lag(unread(known.health, bounds or {}))
        if report:
            yield from exposition.quality(report)

    def close(self) -> None:
        """End the connections."""
        stores = (self._stream, self._alerts, self._events, self._generations, self._phases)
        for store in stores:
            store.close()

    def _known(self) -> Known:
        health, pointer, now = self._stream.read(), self._generations.live(), datetime.now(UTC)
        hours = self._events.since(now - timedelta(hours=exposition.HOURS))
        metrics = [
            *exposition.stream(health),
            *exposition.events(hours, int(now.timestamp()) // 3600),
            *exposition.alerts(self._alerts.all()),
            *exposition.generations(
                self._generations.all(), pointer.generation, _published(pointer)
            ),
            *exposition.job_phases(self._phases.all()),
        ]
        return Known(metrics, health, pointer.generation)

    def _report(self, generation: str | None) -> bytes | None:
        """Return the report of a generation, None where there is none, which is an answer, too."""
        key = names.report_key(generation or "none")
        try:
            return self._objects.get(self._settings.lake_bucket, key)
        except KeyError:
            return None


def _published(pointer: Pointer) -> float | None:
    return pointer.published_at.timestamp() if pointer.published_at else None


def _ask(part: str, read: Callable[[], T], answered: dict[str, bool]) -> T | None:
    try:
        found = read()
    except AWAY as error:
        answered[part] = False
        print(f"export_metrics: {part} does not answer: {str(error)[:200]}", flush=True)
        return None
    answered[part] = True
    return found


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 1, with a sentence on stderr, where that cannot begin."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=9108, help="(9108)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    given = parser.parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    registry = CollectorRegistry(auto_describe=False)
    try:
        with closing(StoreMetrics(load_settings())) as metrics:
            registry.register(metrics)
            server, _ = start_http_server(given.port, given.host, registry)
            print(f"export_metrics: http://{given.host}:{given.port}/metrics", flush=True)
            stop.wait()
            server.shutdown()
    except (NocturneError, OSError) as error:
        print(f"export_metrics: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
