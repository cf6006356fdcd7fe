"""Follows the pointer: which generation is live, and its popular songs, held in memory."""

import threading
import time

from jobs.contract.generations import State
from serving.recommend.ladder import Snapshot
from serving.recommend.ranking import MAX_LOOK_UP
from serving.recommend.sources import Away, Song
from serving.stores import Mongo, Stores

SERVABLE = (State.INDEXED, State.LIVE, State.RETIRED)
POINTER_SECONDS = 1.0
POPULAR_SECONDS = 30.0
POPULAR_SONGS = 200


class ModelStore:
    """One per worker. What was read last stays in use while MongoDB is away."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._reading = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._pointer_due = 0.0
        self._popular_due = 0.0

    def current(self) -> Snapshot:
        """Return what is live; a request calls this once and keeps the answer.

        Raises Away when MongoDB has not answered since the worker started.
        """
        # Who finds the lock taken goes on with what is known, if anything is.
        if self._is_due() and self._reading.acquire(blocking=self._snapshot is None):
            try:
                if self._is_due():
                    self._refresh()
            finally:
                self._reading.release()
        if self._snapshot is None:
            raise Away("mongodb")
        return self._snapshot

    def servable(self, generation: str) -> Snapshot | None:
        """Return what serves from a generation that need not be live, or None if nothing can."""
        found = self._stores.mongo.call(lambda mongo: mongo.generations.find(generation))
        if not found or found.get("gone") or found["state"] not in SERVABLE:
            return None
        return Snapshot(generation, self._popular(generation))

    def _is_due(self) -> bool:
        return self._snapshot is None or time.monotonic() >= self._pointer_due

    def _refresh(self) -> None:
        now = time.monotonic()
        self._pointer_due = now + POINTER_SECONDS
        held = self._snapshot
        try:
            live = self._stores.mongo.call(lambda mongo: mongo.generations.live())
            same = held is not None and held.published_at == live.published_at
            if same and now < self._popular_due:
                return
            popular = self._popular(live.generation)
        except Away:
            return  # what was read last stays in use; answers and readyz name what is away
        self._popular_due = now + POPULAR_SECONDS
        self._snapshot = Snapshot(live.generation, popular, live.published_at)

    def _popular(self, generation: str | None) -> list[Song]:
        """Return the generation's popular songs, or the most played ones where it has none."""
        popular: list[Song] = []
        if generation is not None:
            popular = self._stores.mongo.call(lambda mongo: _popular_of(mongo, generation))
        return popular or self._stores.listings.call(lambda c: c.most_played(POPULAR_SONGS))


def _popular_of(mongo: Mongo, generation: str) -> list[Song]:
    ids = mongo.generations.popular(generation)
    songs: dict[str, Song] = {}
    for start in range(0, len(ids), MAX_LOOK_UP):
        songs |= mongo.catalogue.songs(ids[start : start + MAX_LOOK_UP])
    return [songs[track_id] for track_id in ids if track_id in songs]
