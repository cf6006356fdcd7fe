"""MongoDB: who asked to be erased, and what was done about it."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jobs.contract.erasure import Erasure, listener_hash
from jobs.contract.names import ERASURES
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database

DAY_MS = 86_400_000


class Erasures:
    """One document per listener; `_id` is the SHA-256 of the user id.

    `user_id` is there only until the erasure was applied. `requested_at` and `applied_at` are
    epoch milliseconds; `report` is what was found and what is left, by place.
    """

    def __init__(self, settings: Settings, timeout_ms: int = 60_000) -> None:
        self._erasures = database(settings, timeout_ms)[ERASURES]

    def request(self, user_id: str) -> Erasure:
        """Ask for everything up to now; asking again moves `requested_at` to now."""
        erasure = Erasure(listener_hash(user_id), _now(), user_id)
        change = {"$set": {"user_id": user_id, "requested_at": erasure.requested_at}}
        self._erasures.update_one({"_id": erasure.id}, change, upsert=True)
        return erasure

    def pending(self) -> list[Erasure]:
        """Return the erasures that wait, the oldest first."""
        found = self._erasures.find({"user_id": {"$exists": True}}).sort("requested_at", 1)
        return [_erasure(document) for document in found]

    def recent(self, days: int) -> list[Erasure]:
        """Return the applied erasures of the last days: late events may have come since."""
        return self._applied_since(_now() - days * DAY_MS)

    def applied_since(self, moment: datetime) -> list[Erasure]:
        """Return the erasures that were applied at this moment or later."""
        return self._applied_since(int(moment.timestamp() * 1000))

    def _applied_since(self, at: int) -> list[Erasure]:
        found = self._erasures.find({"user_id": {"$exists": False}, "applied_at": {"$gte": at}})
        return [_erasure(document) for document in found.sort("requested_at", 1)]

    def mark_applied(self, erasure: Erasure, report: Mapping[str, Mapping[str, int]]) -> None:
        """Write down the report and forget the id; a request made meanwhile stays pending."""
        change = {"$set": {"applied_at": _now(), "report": report}, "$unset": {"user_id": ""}}
        same = {"_id": erasure.id, "requested_at": erasure.requested_at}
        self._erasures.update_one(same, change)

    def hashes(self) -> list[str]:
        """Return the `_id` of every request, applied or not: no list of users may name them."""
        return [str(document["_id"]) for document in self._erasures.find({}, {"_id": 1})]

    def close(self) -> None:
        """End the connections."""
        self._erasures.database.client.close()


def _erasure(document: Document) -> Erasure:
    fields: dict[str, Any] = {name: document.get(name) for name in ("requested_at", "user_id")}
    return Erasure(str(document["_id"]), **fields)


def _now() -> int:
    return int(time.time() * 1000)
