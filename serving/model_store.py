"""Follows the pointer: which generation is live, its factors and popular songs, held in memory."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from cachetools import LRUCache

from jobs.contract.generations import State
from jobs.stores.generations import Pointer
from serving.metrics import SERVED
from serving.recommend.listener import Snapshot
from serving.recommend.model import Model, Training
from serving.recommend.ranking import MAX_LOOK_UP
from serving.recommend.sources import Away, Song
from serving.stores import Mongo, Stores

SERVABLE = (State.INDEXED, State.LIVE, State.RETIRED)
POINTER_SECONDS = 1.0
POPULAR_SECONDS = 30.0
FACTORS_RETRY_SECONDS = 10.0
PATIENCE_SECONDS = 2.0
"""What a request waits for a new generation where nobody has looked for one lately."""
POPULAR_SONGS = 200
MODELS_HELD = 3

log = logging.getLogger(__name__)


class ModelStore:
    """One per worker. What was read last stays in use while MongoDB is away.

    A new generation is read in a thread of its own, and answers go on from the old one until it
    is there, whole.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._looking = threading.Lock()
        self._loader = ThreadPoolExecutor(1, "generation")
        self._loading: Future[None] | None = None
        self._snapshot: Snapshot | None = None
        self._models: LRUCache[str, Model] = LRUCache(MODELS_HELD)
        self._pointer_due = 0.0
        self._popular_due = 0.0
        self._factors_due = 0.0

    def current(self) -> Snapshot:
        """Return what is live; a request calls this once and keeps the answer.

        Raises Away when MongoDB has not answered since the worker started.
        """
        # Who finds the lock taken goes on with what is known, if anything is.
        if self._is_due() and self._looking.acquire(blocking=self._snapshot is None):
            try:
                if self._is_due():
                    self._look()
            finally:
                self._looking.release()
        if self._snapshot is None:
            raise Away("mongodb")
        return self._snapshot

    def servable(self, generation: str) -> Snapshot | None:
        """Return what serves from a generation that need not be live, or None if nothing can."""
        found = self._stores.mongo.call(lambda mongo: mongo.generations.find(generation))
        if not found or found.get("gone") or found["state"] not in SERVABLE:
            return None
        return self._whole(generation, None, found)

    def close(self) -> None:
        """End the thread that reads generations."""
        self._loader.shutdown(wait=True)

    def _is_due(self) -> bool:
        return self._snapshot is None or time.monotonic() >= self._pointer_due

    def _look(self) -> None:
        """See what is live, and read it if it is not what is held."""
        now, held = time.monotonic(), self._snapshot
        busy = held is not None and now < self._pointer_due + POINTER_SECONDS
        self._pointer_due = now + POINTER_SECONDS
        if self._loading is None or self._loading.done():
            try:
                live = self._stores.mongo.call(lambda mongo: mongo.generations.live())
            except Away:
                return  # what was read last stays in use; answers and readyz name what is away
            if held is not None and not self._is_old(held, live, now):
                return
            self._loading = self._loader.submit(self._load, live)
        # Where requests come all the time, none of them waits for a generation.
        with suppress(NotYet):
            self._loading.result(timeout=0.05 if busy else PATIENCE_SECONDS)
        if self._snapshot is None:
            with suppress(Away):
                live = self._stores.mongo.call(lambda mongo: mongo.generations.live())
                popular = self._popular(live.generation)
                self._snapshot = Snapshot(live.generation, popular, live.published_at)

    def _is_old(self, held: Snapshot, live: Pointer, now: float) -> bool:
        if held.published_at != live.published_at or now >= self._popular_due:
            return True
        lacking = held.generation is not None and held.model is None
        return lacking and now >= self._factors_due

    def _load(self, live: Pointer) -> None:
        with suppress(Away):
            find: Callable[[Mongo], Any] = lambda m: m.generations.find(live.generation or "")  # noqa: E731
            found = self._stores.mongo.call(find)
            snapshot = self._whole(live.generation, live.published_at, found)
            self._popular_due = time.monotonic() + POPULAR_SECONDS
            if self._snapshot is not None:
                SERVED.labels(str(self._snapshot.generation)).set(0)
            SERVED.labels(str(snapshot.generation)).set(1)
            self._snapshot = snapshot

    def _whole(self, generation: str | None, at: datetime | None, found: Any) -> Snapshot:
        popular = self._popular(generation)
        if generation is None or found is None:
            return Snapshot(generation, popular, at)
        end = datetime.fromisoformat(found["as_of"]).replace(tzinfo=UTC)
        until = int(end.timestamp() * 1000)
        return Snapshot(generation, popular, at, self._model(generation, found), until)

    def _model(self, generation: str, found: Any) -> Model | None:
        """Return a generation's factors; None, and another try later, while they can't be read."""
        model = self._models.get(generation)
        if model is None and time.monotonic() >= self._factors_due:
            try:
                ids, matrix = self._stores.factors.call(lambda lake: lake.read(generation))
            except Away as away:
                log.warning("the factors of %s were not read: %s", generation, away)
                self._factors_due = time.monotonic() + FACTORS_RETRY_SECONDS
                return None
            model = Model(ids, matrix, Training.of(found))
            model.gramian  # noqa: B018  computed here, so that no request does
            self._models[generation] = model
        return model

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
