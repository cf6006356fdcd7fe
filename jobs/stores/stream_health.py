"""The heartbeat of the stream driver, in MongoDB, for whoever watches it."""

import os
import time
from typing import Any

from pymongo.errors import PyMongoError

from jobs.contract.names import STREAM_HEALTH, STREAM_QUERY
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database


class StreamHealth:
    """One document: `phase` (starting, running, paused, stopped), `at` (epoch seconds) and more."""

    def __init__(self, settings: Settings) -> None:
        self._health = database(settings, timeout_ms=3_000)[STREAM_HEALTH]

    def beat(self, phase: str, **fields: Any) -> None:
        """Write the heartbeat; a store that is away must not end the stream, so it is only said."""
        change = {"phase": phase, "at": time.time(), "pid": os.getpid(), **fields}
        try:
            self._health.update_one({"_id": STREAM_QUERY}, {"$set": change}, upsert=True)
        except PyMongoError as error:
            print(f"stream: heartbeat not written: {error}", flush=True)

    def close(self) -> None:
        """End the connections."""
        self._health.database.client.close()

    def read(self) -> Document:
        """Return the newest heartbeat; empty before the first one."""
        return self._health.find_one({"_id": STREAM_QUERY}) or {}
