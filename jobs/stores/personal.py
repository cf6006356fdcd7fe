"""MongoDB: what is kept of one listener, for the listener."""

from typing import Any

from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database

MASTER = ("username", "likes")
"""Fields that a user file gave."""


class Personal:
    """The listeners' own documents, only read. Safe to share between threads."""

    def __init__(self, settings: Settings, timeout_ms: int) -> None:
        self._users = database(settings, timeout_ms)[names.USERS]

    def of(self, user_id: str) -> dict[str, Any]:
        """Return `profile`, `choices` (newest last) and `vectors` (by generation) of a listener.

        A listener of whom nothing is known has empty ones.
        """
        found: Document = self._users.find_one({"_id": user_id}) or {}
        return {
            "profile": {name: found[name] for name in MASTER if name in found},
            "choices": found.get("choices", []),
            "vectors": found.get("vectors", {}),
        }

    def close(self) -> None:
        """End the connections."""
        self._users.database.client.close()
