"""Why the stream may not run now: maintenance, another writer, or an operator who stopped it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import PyMongoError

from jobs.contract.names import STREAM_HOLDS
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database


class Holds:
    """One document per holder: `reason`, `since` and `until` (epoch seconds; None: for good).

    The stream driver runs while there is no active hold. A hold with an end goes by itself, so
    that a holder that died does not stop the stream for ever.
    """

    def __init__(self, settings: Settings) -> None:
        self._holds = database(settings, timeout_ms=5_000)[STREAM_HOLDS]

    def place(self, holder: str, reason: str, seconds: float | None) -> None:
        """Hold the stream for this long from now, or until lifted; again: renews it."""
        now = time.time()
        until = None if seconds is None else now + seconds
        self._holds.update_one(
            {"_id": holder},
            {"$set": {"reason": reason, "until": until}, "$setOnInsert": {"since": now}},
            upsert=True,
        )

    def lift(self, holder: str) -> None:
        """Let the stream go on, as far as this holder is concerned."""
        self._holds.delete_one({"_id": holder})

    def active(self) -> list[Document]:
        """Return the holds that stand, the oldest first."""
        found = [h for h in self._holds.find() if h["until"] is None or h["until"] > time.time()]
        return sorted(found, key=lambda hold: hold["since"])

    def close(self) -> None:
        """End the connections."""
        self._holds.database.client.close()


@contextmanager
def held_stream(settings: Settings, holder: str, reason: str) -> Iterator[None]:
    """Hold the stream until the end of the block; should this process die, for a moment more."""
    holds, done = Holds(settings), threading.Event()

    def renew() -> None:
        while not done.wait(settings.lease_seconds / 4):
            try:
                holds.place(holder, reason, settings.lease_seconds)
            except PyMongoError as error:  # it stands for three more quarters of its time
                print(f"holds: could not renew yet: {error}", flush=True)

    holds.place(holder, reason, settings.lease_seconds)
    renewal = threading.Thread(target=renew, daemon=True)
    renewal.start()
    try:
        yield
    finally:
        done.set()
        renewal.join()
        holds.lift(holder)
        holds.close()
