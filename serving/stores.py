"""The stores behind their circuits."""

from dataclasses import dataclass

from jobs.contract.settings import Settings
from jobs.stores import cache, catalogue, media, parts, vectors
from jobs.stores.alerts import Alerts
from jobs.stores.cache import Cache
from jobs.stores.catalogue import Catalogue
from jobs.stores.choices import ListenerChoices
from jobs.stores.erasures import Erasures
from jobs.stores.events import BrokerUnavailable, EventLog
from jobs.stores.generation_lists import GenerationLists
from jobs.stores.generations import Generations
from jobs.stores.media import Media
from jobs.stores.parts import FactorReader
from jobs.stores.personal import Personal
from jobs.stores.revocations import Revocations
from jobs.stores.stream_health import StreamHealth
from jobs.stores.vectors import Vectors
from serving.parts import Part

FACTORS_SECONDS = 3.0
"""How long a read from the lake may stand still."""


@dataclass(frozen=True)
class Mongo:
    """What is read from MongoDB by key, within one short timeout."""

    catalogue: Catalogue
    generations: Generations
    lists: GenerationLists
    choices: ListenerChoices
    personal: Personal
    erasures: Erasures
    revocations: Revocations
    stream: StreamHealth
    alerts: Alerts

    def close(self) -> None:
        """End the connections."""
        for part in vars(self).values():
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
    factors: Part[FactorReader]
    events: Part[EventLog]
    media: Part[Media]

    def close(self) -> None:
        """End every connection that was made."""
        for part in vars(self).values():
            part.close()


def stores_of(settings: Settings) -> Stores:
    """Return the stores of a deployment; nothing is connected yet."""
    wait = settings.store_timeout_ms

    def mongo() -> Mongo:
        return Mongo(
            Catalogue(settings, wait),
            Generations(settings, wait),
            GenerationLists(settings, wait),
            ListenerChoices(settings, wait),
            Personal(settings, wait),
            Erasures(settings, wait),
            Revocations(settings, wait),
            StreamHealth(settings, wait),
            Alerts(settings, wait),
        )

    return Stores(
        mongo=Part("mongodb", catalogue.AWAY, mongo),
        listings=Part("mongodb", catalogue.AWAY, lambda: Catalogue(settings, wait)),
        vectors=Part("milvus", vectors.AWAY, lambda: Vectors(settings, wait / 1000)),
        cache=Part("redis", cache.AWAY, lambda: Cache(settings)),
        factors=Part("factors", parts.AWAY, lambda: FactorReader(settings, FACTORS_SECONDS)),
        events=Part("kafka", (BrokerUnavailable,), lambda: EventLog(settings)),
        media=Part("media", media.AWAY, lambda: Media(settings, wait / 1000)),
    )
