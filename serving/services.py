"""What the views work with: made once per app, found through the app that runs."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from flask import current_app, request

from jobs.contract.settings import Settings
from jobs.contract.tokens import InvalidToken, listener_of
from serving.errors import Problem
from serving.model_store import ModelStore
from serving.recommend.ladder import Ladder
from serving.stores import Stores, StoreSources, stores_of

EXTENSION = "nocturne"


@dataclass(frozen=True)
class Services:
    """One deployment's settings and what answers for it."""

    settings: Settings
    stores: Stores
    models: ModelStore
    ladder: Ladder


def services_of(settings: Settings) -> Services:
    """Return the services of a deployment; nothing is connected yet."""
    stores = stores_of(settings)
    ladder = Ladder(
        StoreSources(stores),
        per_artist=settings.max_per_artist,
        user_weight=settings.session_user_weight,
    )
    return Services(settings, stores, ModelStore(stores), ladder)


def services() -> Services:
    """Return the services of the app that answers this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def listener() -> str:
    """Return the listener that the request's bearer token speaks for; a problem 401 else."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized("a listener token is needed: Authorization: Bearer <token>", "")
    try:
        return listener_of(services().settings, token.strip())
    except InvalidToken as error:
        raise _unauthorized(str(error), ', error="invalid_token"') from None


def _unauthorized(detail: str, challenge: str) -> Problem:
    header = f'Bearer realm="nocturne"{challenge}'
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": header})
