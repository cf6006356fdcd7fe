"""The right to write Delta tables: one holder at a time, and the stream gives way."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError

from jobs.contract.errors import LeaseLost
from jobs.contract.names import LAKE_WRITER, LEASES
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database

WAIT_SECONDS = 180


class Lease:
    """One process's claim on the lease `lake_writer`.

    A holder that stops renewing loses the lease after `lease_seconds`, so nobody has to clean
    up after a crash. A writer that wants it says so (`wanted_by`), and the stream, which holds
    it all day, stops between two micro-batches and lets go.
    """

    def __init__(self, settings: Settings, holder: str) -> None:
        self._db: Database[Document] = database(settings, timeout_ms=5_000)
        self._seconds = settings.lease_seconds
        self.holder = f"{holder}:{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.held_until = 0.0

    def acquire(self) -> bool:
        """Take or renew the lease; False while another process holds it."""
        now = time.time()
        free = {"$or": [{"holder": self.holder}, {"expires_at": {"$lt": now}}]}
        change = {"$set": {"holder": self.holder, "expires_at": now + self._seconds}}
        try:
            self._leases.find_one_and_update(
                {"_id": LAKE_WRITER} | free,
                change,
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return False
        self.held_until = now + self._seconds
        return True

    def release(self) -> None:
        """Give the lease back at once, if this process holds it."""
        self._leases.update_one(
            {"_id": LAKE_WRITER, "holder": self.holder}, {"$set": {"expires_at": 0.0}}
        )
        self.held_until = 0.0

    def want(self) -> None:
        """Ask the stream to let go, for the next `lease_seconds`."""
        self._leases.update_one(
            {"_id": LAKE_WRITER},
            {
                "$set": {"wanted_by": self.holder, "wanted_until": time.time() + self._seconds},
                "$setOnInsert": {"expires_at": 0.0},  # free: nobody ever held it
            },
            upsert=True,
        )

    def unwant(self) -> None:
        """Let the stream go on, if nobody else asked since."""
        self._leases.update_one(
            {"_id": LAKE_WRITER, "wanted_by": self.holder}, {"$set": {"wanted_until": 0.0}}
        )

    def wanted_by_another(self) -> str | None:
        """Return who asks for the lease, or None."""
        found = self._leases.find_one({"_id": LAKE_WRITER}) or {}
        if found.get("wanted_until", 0.0) < time.time() or found["wanted_by"] == self.holder:
            return None
        return str(found["wanted_by"])

    def check(self) -> None:
        """Raise LeaseLost unless this process surely holds the lease."""
        if time.time() >= self.held_until:
            raise LeaseLost(f"{self.holder} does not hold the lease {LAKE_WRITER}: nothing written")

    def close(self) -> None:
        """End the connections."""
        self._db.client.close()

    @property
    def _leases(self) -> Collection[Document]:
        return self._db[LEASES]


@contextmanager
def lake_writer(settings: Settings, holder: str) -> Iterator[Lease]:
    """Pause the stream, hold the right to write the lake, and surely resume the stream.

    Raises LeaseLost when the lease could not be had within three minutes.
    """
    lease = Lease(settings, holder)
    stop = threading.Event()
    renewal = threading.Thread(target=_renew, args=(lease, stop, settings), daemon=True)
    deadline = time.time() + WAIT_SECONDS
    lease.want()
    try:
        while not lease.acquire():
            if time.time() > deadline:
                raise LeaseLost(
                    f"another writer held {LAKE_WRITER} for {WAIT_SECONDS} s; see `make status`"
                )
            lease.want()
            time.sleep(0.5)
        renewal.start()
        yield lease
    finally:
        stop.set()
        if renewal.is_alive():
            renewal.join()
        lease.unwant()
        lease.release()
        lease.close()


def _renew(lease: Lease, stop: threading.Event, settings: Settings) -> None:
    while not stop.wait(settings.lease_seconds / 4):
        try:
            lease.want()
            lease.acquire()
        except PyMongoError as error:  # tried again; check() refuses once the lease has lapsed
            print(f"lease: could not renew yet: {error}", flush=True)
