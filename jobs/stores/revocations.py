"""MongoDB: which tokens are good no more, before they end by themselves."""

import time
from dataclasses import dataclass, field

from pymongo.collection import Collection

from jobs.contract import names
from jobs.contract.erasure import listener_hash
from jobs.contract.settings import Settings
from jobs.contract.tokens import Claims
from jobs.stores.documents import Document, database

LONGEST_SECONDS = 366 * 86400
"""How long a revocation of all of a subject's tokens is kept."""


@dataclass(frozen=True)
class Revoked:
    """Ids of revoked tokens, and by hash of the subject until when (epoch s) they were issued."""

    tokens: frozenset[str] = frozenset()
    subjects: dict[str, float] = field(default_factory=dict)

    def holds(self, claims: Claims) -> bool:
        """Return whether a token is revoked."""
        return claims.token_id in self.tokens or claims.issued_at <= self.subjects.get(
            listener_hash(claims.subject), -1.0
        )


class Revocations:
    """The revoked tokens of one deployment. Safe to share between threads."""

    def __init__(self, settings: Settings, timeout_ms: int = 10_000) -> None:
        self._db = database(settings, timeout_ms)

    def revoke_token(self, claims: Claims) -> None:
        """Let a token be good no more."""
        self._write({"_id": f"token {claims.token_id}", "token": claims.token_id}, claims.expires)

    def revoke_subject(self, subject: str) -> None:
        """Let every token of a subject that was issued until now be good no more."""
        now, hashed = time.time(), listener_hash(subject)  # it may outlive the listener's erasure
        entry = {"_id": f"subject {hashed}", "subject": hashed, "before": now}
        self._write(entry, now + LONGEST_SECONDS)

    def read(self) -> Revoked:
        """Return what is revoked, without tokens that have ended by themselves."""
        now = time.time()
        found = [d for d in self._entries.find() if d["ends"] >= now]
        return Revoked(
            frozenset(d["token"] for d in found if "token" in d),
            {d["subject"]: float(d["before"]) for d in found if "subject" in d},
        )

    def close(self) -> None:
        """End the connections."""
        self._db.client.close()

    def _write(self, entry: dict[str, object], ends: float) -> None:
        self._entries.replace_one({"_id": entry["_id"]}, entry | {"ends": ends}, upsert=True)
        self._entries.delete_many({"ends": {"$lt": time.time()}})

    @property
    def _entries(self) -> Collection[Document]:
        return self._db[names.REVOKED_TOKENS]
