"""The stores behind their circuits, and what the recommender reads from them."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from jobs.contract.settings import Settings
from jobs.stores import cache, catalogue, vectors
from jobs.stores.alerts import Alerts
from jobs.stores.cache import Cache
from jobs.stores.catalogue import Catalogue
from jobs.stores.events import BrokerUnavailable, EventLog
from jobs.stores.generation_lists import GenerationLists
from jobs.stores.generations import Generations
from jobs.stores.stream_health import StreamHealth
from jobs.stores.vectors import Vectors
from serving.parts import Part
from serving.recommend.sources import Candidate, Song, Vector


@dataclass(frozen=True)
class Mongo:
    """What is read from MongoDB by key, within one short timeout."""

    catalogue: Catalogue
    generations: Generations
    lists: GenerationLists
    stream: StreamHealth
    alerts: Alerts

    def close(self) -> None:
        """End the connections."""
        for part in (self.catalogue, self.generations, self.lists, self.stream, self.alerts):
            part.close()


@dataclass(frozen=True)
class Stores:
    """Every store that serving uses.

    `listings` is MongoDB too: a search or a page may take longer than a read by key, and a
    slow one must not make recommendations believe that MongoDB is away.
    """

    mongo: Part[Mongo]
    listings: Part[Catalogue]
    vectors: Part[Vectors]
    cache: Part[Cache]
    events: Part[EventLog]

    def close(self) -> None:
        """End every connection that was made."""
        for part in (self.mongo, self.listings, self.vectors, self.cache, self.events):
            part.close()


def stores_of(settings: Settings) -> Stores:
    """Return the stores of a deployment; nothing is connected yet."""
    # It writes a traceback for every failed call; Part says once that Milvus is away.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    wait = settings.store_timeout_ms

    def mongo() -> Mongo:
        return Mongo(
            Catalogue(settings, wait),
            Generations(settings, wait),
            GenerationLists(settings, wait),
            StreamHealth(settings, wait),
            Alerts(settings, wait),
        )

    return Stores(
        mongo=Part("mongodb", catalogue.AWAY, mongo),
        listings=Part("mongodb", catalogue.AWAY, lambda: Catalogue(settings, wait)),
        vectors=Part("milvus", vectors.AWAY, lambda: Vectors(settings, wait / 1000)),
        cache=Part("redis", cache.AWAY, lambda: Cache(settings)),
        events=Part("kafka", (BrokerUnavailable,), lambda: EventLog(settings)),
    )


@dataclass(frozen=True)
class StoreSources:
    """`serving.recommend.sources.Sources` from the real stores."""

    stores: Stores

    def recent(self, user_id: str) -> list[str]:
        return self.stores.cache.call(lambda cache: cache.recent(user_id))

    def user_vector(self, generation: str, user_id: str) -> Vector | None:
        return self.stores.mongo.call(lambda m: m.catalogue.user_vector(generation, user_id))

    def song_vector(self, generation: str, track_id: str) -> Vector | None:
        found = self.stores.vectors.call(lambda milvus: milvus.get(generation, [track_id]))
        return found.get(track_id)

    def nearest(self, generation: str, vector: Vector, limit: int) -> list[Candidate]:
        found = self.stores.vectors.call(lambda milvus: milvus.search(generation, [vector], limit))
        return list(found[0])

    def neighbours(self, generation: str, track_id: str) -> list[Candidate]:
        found = self.stores.mongo.call(lambda m: m.lists.neighbours(generation, [track_id]))
        return list(found.get(track_id, []))

    def nightly(self, generation: str, user_id: str) -> list[str]:
        return self.stores.mongo.call(lambda m: m.lists.nightly(generation, user_id))

    def songs(self, track_ids: Iterable[str]) -> dict[str, Song]:
        return self.stores.mongo.call(lambda m: m.catalogue.songs(track_ids))
