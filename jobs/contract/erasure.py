"""The erasure of a listener: who, up to when, and how the id is found in a row or a text."""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass

ID_COLUMNS = ("user_id", "userid", "user_name", "username")
"""Where a row of a log says whose it is."""

TOKEN = r"[\p{L}\p{N}_.@+-]"  # noqa: S105
PYTHON_TOKEN = r"[\w.@+-]"  # noqa: S105
"""A character of an id in free text, for Spark and for Python; anything else ends a token."""


@dataclass(frozen=True)
class Erasure:
    """One listener: `id` is the SHA-256 of the user id, `requested_at` epoch milliseconds.

    `user_id` is None once the erasure was applied: from then on the id is known by its hash.
    """

    id: str
    requested_at: int
    user_id: str | None = None


def listener_hash(user_id: str) -> str:
    """Return the SHA-256 of a user id in hex, as Spark's `sha2(user_id, 256)` has it."""
    return hashlib.sha256(user_id.encode(errors="replace")).hexdigest()


class Erased:
    """The listeners that go, as something to ask about a value or a text."""

    def __init__(self, erasures: Collection[Erasure]) -> None:
        self.hashes = frozenset(erasure.id for erasure in erasures)
        self.user_ids = sorted(e.user_id for e in erasures if e.user_id is not None)
        self._written = [
            re.compile(f"(?<!{PYTHON_TOKEN}){re.escape(user_id)}(?!{PYTHON_TOKEN})")
            for user_id in self.user_ids
        ]

    def is_id(self, value: object) -> bool:
        """Say whether a value, written as text, is exactly the id of one of them."""
        return listener_hash(str(value)) in self.hashes

    def is_in(self, text: str) -> bool:
        """Say whether the id of one of them is in the text as a whole token."""
        if any(pattern.search(text) for pattern in self._written):
            return True
        return any(self.is_id(token) for token in set(re.findall(f"{PYTHON_TOKEN}+", text)))
