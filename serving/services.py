"""What the views work with: made once per app, found through the app that runs."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from flask import current_app, request

from jobs.contract.generations import generation_id
from jobs.contract.names import GENERATION_HEADER
from jobs.contract.settings import Settings
from jobs.stores.media import AudioLinks
from serving.covers import Covers
from serving.doors import Doors
from serving.errors import Problem
from serving.model_store import ModelStore
from serving.recommend.climb import Options
from serving.recommend.ladder import Ladder
from serving.recommend.listener import Snapshot
from serving.store_sources import StoreSources
from serving.stores import Stores, stores_of
from serving.titles import TitleStore

EXTENSION = "nocturne"


@dataclass(frozen=True)
class Services:
    """One deployment's settings and what answers for it."""

    settings: Settings
    stores: Stores
    models: ModelStore
    titles: TitleStore
    ladder: Ladder
    doors: Doors
    covers: Covers
    audio: AudioLinks


def services_of(settings: Settings) -> Services:
    """Return the services of a deployment; nothing is connected yet."""
    stores = stores_of(settings)
    options = Options(
        per_artist=settings.max_per_artist,
        user_weight=settings.session_user_weight,
        strategy=settings.next_strategy,
        hybrid_user_share=settings.hybrid_user_share,
        hybrid_cosine_weight=settings.hybrid_cosine_weight,
        rest_hours=settings.rest_hours,
    )
    ladder = Ladder(StoreSources(stores), options)
    models, titles = ModelStore(stores), TitleStore(stores)
    return Services(
        settings,
        stores,
        models,
        titles,
        ladder,
        Doors(settings, stores),
        Covers(stores),
        AudioLinks(settings),
    )


def services() -> Services:
    """Return the services of the app that answers this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def listener() -> str:
    """Return the listener that the request's token speaks for; a problem 401 or 403 else."""
    return services().doors.require("listen").subject


def snapshot() -> Snapshot:
    """Return what this request answers with: the live generation, or the one it names.

    A token with the scope `generations` may name any generation that has an index, live or not,
    in a header; a problem 400, 403 or 404 else.
    """
    named = request.headers.get(GENERATION_HEADER)
    models = services().models
    if named is None:
        return models.current()
    services().doors.require("generations")
    try:
        found = models.servable(generation_id(named))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{GENERATION_HEADER}: {error}") from None
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"{named} has no index here")
    return found
