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
from jobs.stores.holds import held_stream

WAIT_SECONDS = 180


class Lease:
    """One process's claim on the lease `lake_writer`.

    Once taken it is renewed in the background until it is released. A holder that died loses
    it after `lease_seconds`, and on this machine at once, so nobody has to clean up after a
    crash.
    """

    def __init__(self, settings: Settings, role: str) -> None:
        self._db: Database[Document] = database(settings, timeout_ms=5_000)
        self._seconds = settings.lease_seconds
        self.holder = f"{role}:{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.held_until = 0.0
        self._released = threading.Event()
        self._renewal: threading.Thread | None = None

    def acquire(self) -> bool:
        """Take the lease, unless this process has it; False while another one holds it."""
        if not (self._take() or (self._is_holder_dead() and self._take())):
            return False
        if self._renewal is None:
            self._released.clear()
            self._renewal = threading.Thread(target=self._renew, daemon=True)
            self._renewal.start()
        return True

    def release(self) -> None:
        """Give the lease back at once, if this process holds it."""
        self._released.set()
        if self._renewal is not None:
            self._renewal.join()
            self._renewal = None
        self._leases.update_one(
            {"_id": LAKE_WRITER, "holder": self.holder}, {"$set": {"expires_at": 0.0}}
        )
        self.held_until = 0.0

    def other_holder(self) -> str | None:
        """Return who else holds the lease now, or None."""
        found = self._leases.find_one({"_id": LAKE_WRITER})
        if found is None or found["holder"] == self.holder or found["expires_at"] < time.time():
            return None
        return str(found["holder"])

    def other_living_holder(self) -> str | None:
        """Return who else holds the lease, unless it surely died."""
        holder = self.other_holder()
        return holder if holder and _may_live(holder) else None

    def check(self) -> None:
        """Raise LeaseLost unless this process surely holds the lease."""
        if time.time() >= self.held_until:
            raise LeaseLost(f"{self.holder} does not hold the lease {LAKE_WRITER}: nothing written")

    def close(self) -> None:
        """End the connections."""
        self._db.client.close()

    def _take(self) -> bool:
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

    def _renew(self) -> None:
        while not self._released.wait(self._seconds / 4):
            try:
                self._take()
            except PyMongoError as error:  # check() refuses once the lease has lapsed
                print(f"lease: could not renew yet: {error}", flush=True)

    def _is_holder_dead(self) -> bool:
        """End the lease of a process of this machine that is gone; say whether one was."""
        holder = self.other_holder()
        if holder is None:
            return True
        if _may_live(holder):
            return False
        self._leases.update_one(
            {"_id": LAKE_WRITER, "holder": holder}, {"$set": {"expires_at": 0.0}}
        )
        return True

    @property
    def _leases(self) -> Collection[Document]:
        return self._db[LEASES]


def _may_live(holder: str) -> bool:
    _, host, pid, _ = holder.rsplit(":", 3)
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def lake_writer(settings: Settings, role: str) -> Iterator[Lease]:
    """Hold the stream, hold the right to write the lake, and surely let the stream go on.

    Raises LeaseLost when the lease could not be had within three minutes.
    """
    lease = Lease(settings, role)
    deadline = time.time() + WAIT_SECONDS
    try:
        with held_stream(settings, lease.holder, "writes the lake"):
            while not lease.acquire():
                if time.time() > deadline:
                    raise LeaseLost(
                        f"another writer held {LAKE_WRITER} for {WAIT_SECONDS} s; see `make status`"
                    )
                time.sleep(0.5)
            try:
                yield lease
            finally:
                lease.release()
    finally:
        lease.close()
