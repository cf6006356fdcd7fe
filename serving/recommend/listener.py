"""What is known of the one who asks, and the vector that follows from it."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TypeVar

import numpy as np

from serving.recommend.fold_in import FoldedIn, fold_in
from serving.recommend.model import Floats, Model
from serving.recommend.sources import Away, Memory, Profile, Song, Sources

LOVED_PLAYS = 3
"""A loved song counts as so many plays more."""
HOUR_MS = 3_600_000

READERS = 16
"""Threads for what is read while something else is: as many as a worker has for requests."""

T = TypeVar("T")
readers = ThreadPoolExecutor(READERS, "reads")


@dataclass(frozen=True)
class Snapshot:
    """What one request works with: a generation (None: none yet) and its popular songs.

    `model` is None while its factors could not be read; `trained_until_ms` is the end of the
    generation's window.
    """

    generation: str | None
    popular: tuple[Song, ...] | list[Song]
    published_at: datetime | None = None
    model: Model | None = None
    trained_until_ms: int = 0

    @cached_property
    def popular_songs(self) -> Mapping[str, Song]:
        """Return the popular songs by id, in their order."""
        return {str(song["track_id"]): song for song in self.popular}


class Reads:
    """The reads of one request: a store that did not answer is not asked again."""

    def __init__(self, sources: Sources, snapshot: Snapshot) -> None:
        self.sources = sources
        self.snapshot = snapshot
        self._songs: dict[str, Song] = {}
        self._away: dict[str, None] = {}
        if snapshot.generation is not None and snapshot.model is None:
            self.lack("factors")

    @property
    def degraded(self) -> list[str]:
        """Return what was away so far."""
        return list(self._away)

    def lack(self, store: str) -> None:
        """Ask a store no more: it is away."""
        self._away[store] = None

    def ask(self, store: str, read: Callable[[], T], otherwise: Callable[[], T]) -> T:
        """Return what `read` gives, or `otherwise` where its store is away."""
        if store not in self._away:
            try:
                return read()
            except Away as away:
                self.lack(away.part)
        return otherwise()

    def soon(
        self, store: str, read: Callable[[], T], otherwise: Callable[[], T]
    ) -> Callable[[], T]:
        """Do as `ask` in another thread; return what waits for it and gives what `ask` would."""
        # With the context of this thread, so that traces hang together.
        return readers.submit(copy_context().run, self.ask, store, read, otherwise).result

    def songs(self, track_ids: Iterable[str]) -> Mapping[str, Song]:
        """Return songs by id; while MongoDB is away, those that are in memory."""
        wanted = list(track_ids)
        missing = [track_id for track_id in wanted if track_id not in self._songs]
        if missing:
            self._songs |= self.ask(
                "mongodb", lambda: self.sources.songs(missing), lambda: self._held(missing)
            )
        return {track_id: self._songs[track_id] for track_id in wanted if track_id in self._songs}

    def _held(self, wanted: list[str]) -> Mapping[str, Song]:
        popular = self.snapshot.popular_songs
        held = {track_id: popular[track_id] for track_id in wanted if track_id in popular}
        return held | dict(self.sources.held(wanted))


@dataclass(frozen=True)
class Taste:
    """The vector of a listener; `strategy` says where it came from."""

    vector: Floats
    strategy: str
    folded: FoldedIn | None = None


@dataclass(frozen=True)
class Listener:
    """What is known of the one who asks."""

    profile: Profile = field(default_factory=Profile)
    memory: Memory = field(default_factory=Memory)
    read_plays: Callable[[], Mapping[str, float]] = dict

    @property
    def plays(self) -> Mapping[str, float]:
        """Return the plays of the generation's window, by track id; waits until they are read."""
        return self.read_plays()

    def heard(self) -> frozenset[str]:
        """Return every song that the listener is known to have heard."""
        return frozenset(self.plays) | {track_id for track_id, _ in self.memory.plays}

    def lately(self, now_ms: int, rest_hours: float) -> frozenset[str]:
        """Return the songs that rest: heard or skipped in the last hours, or wanted less."""
        since = now_ms - rest_hours * HOUR_MS
        both = (*self.memory.plays, *self.memory.skipped)
        return frozenset(t for t, at in both if at >= since) | self.profile.less

    def disliked(self) -> list[str]:
        """Return the songs whose likes shall fall: early skips, and what is wanted less."""
        return [*(track_id for track_id, _ in self.memory.skipped), *sorted(self.profile.less)]

    def taste(self, snapshot: Snapshot) -> Taste | None:
        """Return the trained vector, or one that knows the plays since the training as well.

        None where the listener has neither a vector nor a play that the generation knows.
        """
        new = {t: 1.0 for t, at in self.memory.plays if at >= snapshot.trained_until_ms}
        for track_id in self.profile.loved:
            new[track_id] = new.get(track_id, 0.0) + LOVED_PLAYS
        vector = self.profile.vector
        # Without the old plays, a new vector would forget what the trained one knows.
        if snapshot.model is not None and new and (vector is None or self.plays):
            everything = dict(self.plays)
            for track_id, count in new.items():
                everything[track_id] = everything.get(track_id, 0.0) + count
            folded = fold_in(snapshot.model, everything)
            if folded is not None:
                return Taste(folded.vector.astype(np.float32), "fold_in", folded)
        if vector is None:
            return None
        return Taste(np.asarray(vector, dtype=np.float32), "user_vector")


def known_listener(reads: Reads, user_id: str, memory: Memory | None = None) -> Listener:
    """Read what the stores know; what a store that is away would have said is left out.

    `memory` is given where it has been read.
    """
    sources, generation = reads.sources, reads.snapshot.generation
    if memory is None:
        memory = reads.ask("redis", lambda: sources.memory(user_id), Memory)
    profile = reads.ask(
        "mongodb",
        lambda: sources.profile(generation, user_id),
        lambda: sources.remembered(generation, user_id),
    )
    plays: Callable[[], Mapping[str, float]] = dict
    if generation is not None:
        # Nobody needs them before Milvus has answered: they are read meanwhile.
        plays = reads.soon("mongodb", lambda: sources.plays(generation, user_id), dict)
    return Listener(profile, memory, plays)
