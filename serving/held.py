"""What a worker keeps of the stores in memory: for a while, and longer while they are away."""

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from cachetools import LRUCache

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Held(Generic[Key, Value]):
    """The entries that were used last. What is older than `seconds` is read again.

    `weight` says how much of `room` a value takes: by default all take the same.
    """

    def __init__(
        self, room: int, seconds: float, weight: Callable[[Value], int] = lambda _: 1
    ) -> None:
        self._room, self._weight = room, weight
        self._entries: LRUCache[Key, tuple[float, Value]] = LRUCache(
            room, getsizeof=lambda entry: weight(entry[1])
        )
        self._seconds = seconds
        self._lock = threading.Lock()

    def read(
        self, keys: Iterable[Key], missing: Callable[[list[Key]], Mapping[Key, Value]]
    ) -> dict[Key, Value]:
        """Return the entries of the keys; `missing` reads those that are not here, or are old.

        Keys that `missing` does not return are left out. Raises what `missing` raises.
        """
        wanted = list(dict.fromkeys(keys))
        oldest = time.monotonic() - self._seconds
        found: dict[Key, Value] = {}
        with self._lock:
            for key in wanted:
                entry = self._entries.get(key)
                if entry is not None and entry[0] >= oldest:
                    found[key] = entry[1]
        left = [key for key in wanted if key not in found]
        if left:
            read = missing(left)
            found |= read
            self._keep(read)
        return found

    def held(self, keys: Iterable[Key]) -> dict[Key, Value]:
        """Return those entries that are here, however old."""
        with self._lock:
            return {key: self._entries[key][1] for key in keys if key in self._entries}

    def _keep(self, read: Mapping[Key, Value]) -> None:
        now = time.monotonic()
        with self._lock:
            for key, value in read.items():
                if self._weight(value) <= self._room:
                    self._entries[key] = (now, value)
