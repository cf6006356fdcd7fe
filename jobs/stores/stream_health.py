"""How the stream is, in MongoDB, for whoever watches it, and how it is watched."""

import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from pymongo.errors import PyMongoError

from jobs.contract.names import STREAM_HEALTH, STREAM_QUERY, SUPERVISION
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database

KEPT_HEALS = 20
KEPT_CHECKS = 120
GAP_SECONDS = 30.0


def unread(health: Document, bounds: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """Return the messages that the stream did not read yet, by partition.

    `bounds` are the oldest and the next offset of each: what Kafka keeps no more is not counted.
    """
    done = health.get("offsets", {})
    return {p: end - done.get(str(p), oldest) for p, (oldest, end) in bounds.items()}


class StreamHealth:
    """One document for the query, one for its supervision; all times are epoch seconds.

    The query's: `phase` (starting, running, held, paused, failed, halted, stopped), `at` (its
    heartbeat), `pid`, `host`, `started_at`, `starts`, `app_id`, `error`, `progress_at` (the last
    batch or sign that there is none to do), `batch`, `rows`, `rows_per_second`, `batch_seconds`,
    `longest_batch_seconds`, `offsets` and `lag` (by partition), `last_event_at`, `quarantined`
    (rows in the lake), `holds` and `rival` (a second driver). Supervision's: `watched_at`,
    `watched_since`, `checks` (the last looks) and `heals` (the last restarts).
    """

    def __init__(self, settings: Settings, timeout_ms: int = 3_000) -> None:
        self._health = database(settings, timeout_ms)[STREAM_HEALTH]

    def start(self) -> None:
        """Write down that a driver starts."""
        now = time.time()
        new = {
            "phase": "starting",
            "at": now,
            "started_at": now,
            "progress_at": now,
            "longest_batch_seconds": 0.0,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "error": None,
        }
        self._write({"$set": new, "$inc": {"starts": 1}})

    def beat(self, phase: str, **fields: Any) -> None:
        """Write the heartbeat, and what else is new."""
        own = {"pid": os.getpid(), "host": socket.gethostname()}
        self._write({"$set": {"phase": phase, "at": time.time(), **own, **fields}})

    def note(self, **fields: Any) -> None:
        """Write what the query's listener heard."""
        self._write({"$set": fields})

    def standby(self) -> None:
        """Write that this driver waits while another one holds the lease."""
        rival = {"pid": os.getpid(), "host": socket.gethostname(), "at": time.time()}
        self._write({"$set": {"rival": rival}})

    def read(self) -> Document:
        """Return the query's document; empty before the first start."""
        return self._health.find_one({"_id": STREAM_QUERY}) or {}

    def watched(self, lag: int | None, starts: int) -> Document:
        """Write down one look of the supervision; return its document with the last of them.

        `watched_since` and `checks` begin anew when nobody looked for a while. `lag` is None
        where Kafka did not say it.
        """
        now, before = time.time(), self.supervision()
        gap = now - before.get("watched_at", 0.0) > GAP_SECONDS
        earlier = [] if gap else before.get("checks", [])
        change = {
            "watched_at": now,
            "watched_since": now if gap else before["watched_since"],
            "checks": [*earlier, {"at": now, "lag": lag, "starts": starts}][-KEPT_CHECKS:],
        }
        self._health.update_one({"_id": SUPERVISION}, {"$set": change}, upsert=True)
        return before | change

    def healed(self) -> None:
        """Write that supervision restarts the driver now."""
        heals = {"$each": [time.time()], "$slice": -KEPT_HEALS}
        self._health.update_one({"_id": SUPERVISION}, {"$push": {"heals": heals}}, upsert=True)

    def supervision(self) -> Document:
        """Return supervision's document; empty before anybody watched."""
        return self._health.find_one({"_id": SUPERVISION}) or {}

    def close(self) -> None:
        """End the connections."""
        self._health.database.client.close()

    def _write(self, change: Document) -> None:
        # A store that is away must not end the stream, so it is only said.
        try:
            self._health.update_one({"_id": STREAM_QUERY}, change, upsert=True)
        except PyMongoError as error:
            print(f"stream: health not written: {error}", flush=True)
