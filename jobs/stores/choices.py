"""MongoDB: what listeners chose themselves: what they love, ban, or want less like."""

from datetime import UTC, datetime
from typing import Literal, TypedDict

from pymongo import UpdateOne

from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database

CHOICES = "choices"
"""Field of a listener's document in `users`."""

MAX_CHOICES = 2000
"""The oldest go first: the document of one listener has a bound."""

Scope = Literal["song", "artist"]
Value = Literal["love", "ban", "less"]


class Choice(TypedDict):
    """One choice; `until` is when it ends (None: never)."""

    scope: Scope
    id: str
    value: Value
    until: datetime | None
    at: datetime


Choices = list[Choice]


class ListenerChoices:
    """The choices of all listeners. Safe to share between threads."""

    def __init__(self, settings: Settings, timeout_ms: int = 10_000) -> None:
        self._users = database(settings, timeout_ms)[names.USERS]

    def set(
        self, user_id: str, scope: Scope, about: str, value: Value | None, until: datetime | None
    ) -> Choices:
        """Write down a choice in place of an earlier one, or take it back (value None).

        Returns all choices of the listener as they are then, the newest last.
        """
        which: Document = {"scope": scope, "id": about}
        writes = [UpdateOne({"_id": user_id}, {"$pull": {CHOICES: which}})]
        if value is not None:
            choice = which | {"value": value, "until": until, "at": datetime.now(UTC)}
            kept = {"$push": {CHOICES: {"$each": [choice], "$slice": -MAX_CHOICES}}}
            writes.append(UpdateOne({"_id": user_id}, kept, upsert=True))
        self._users.bulk_write(writes, ordered=True)
        return self.of(user_id)

    def of(self, user_id: str) -> Choices:
        """Return all choices of a listener, the newest last."""
        found = self._users.find_one({"_id": user_id}, {CHOICES: 1}) or {}
        return list(found.get(CHOICES, []))

    def close(self) -> None:
        """End the connections."""
        self._users.database.client.close()
