"""What the views work with: made once per app, found through the app that runs."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar, cast

from flask import current_app, request

from jobs.contract.generations import generation_id
from jobs.contract.names import GENERATION_HEADER
from jobs.contract.settings import Settings
from jobs.contract.tokens import InvalidToken, is_operator, listener_of
from serving.errors import Problem
from serving.model_store import ModelStore
from serving.recommend.ladder import Ladder, Snapshot
from serving.stores import Stores, StoreSources, stores_of

EXTENSION = "nocturne"
T = TypeVar("T")


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
    return _read(listener_of)


def snapshot() -> Snapshot:
    """Return what this request answers with: the live generation, or the one it names.

    An operator may name any generation that has an index, live or not, in a header; a problem
    400, 403 or 404 else.
    """
    named = request.headers.get(GENERATION_HEADER)
    models = services().models
    if named is None:
        return models.current()
    if not _read(is_operator):
        raise Problem(HTTPStatus.FORBIDDEN, f"{GENERATION_HEADER} needs an operator's token")
    try:
        found = models.servable(generation_id(named))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{GENERATION_HEADER}: {error}") from None
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"{named} has no index here")
    return found


def _read(reader: Callable[[Settings, str], T]) -> T:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized("a listener token is needed: Authorization: Bearer <token>", "")
    try:
        return reader(services().settings, token.strip())
    except InvalidToken as error:
        raise _unauthorized(str(error), ', error="invalid_token"') from None


def _unauthorized(detail: str, challenge: str) -> Problem:
    header = f'Bearer realm="nocturne"{challenge}'
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": header})
