"""PUT /songs/<id>/feedback and GET /feedback: what the listener loves, bans, wants less of."""

import contextlib
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal

from flask import Blueprint, Response, jsonify
from pydantic import AwareDatetime

from jobs.stores.choices import Choice, Choices
from serving.catalogue import known_song
from serving.errors import Problem
from serving.recommend.sources import Away
from serving.services import listener, services
from serving.store_sources import copy_of
from serving.views.params import Body, body

bp = Blueprint("feedback", __name__)


class FeedbackRequest(Body):
    """What is thought of a song or its artist; null takes it back. Any may end by itself.

    `less` (of songs alone): songs like this one shall come less.
    """

    value: Literal["love", "ban", "less"] | None
    scope: Literal["song", "artist"] = "song"
    until: AwareDatetime | None = None


@bp.put("/songs/<track_id>/feedback")
def put(track_id: str) -> Response:
    """Write down a choice; it holds from the next answer on.

    A problem 503 while MongoDB is away: nothing was written then.
    """
    user_id = listener()
    asked = body(FeedbackRequest)
    if (asked.scope, asked.value) == ("artist", "less"):
        raise _wrong("value", "less is said of songs")
    about = track_id
    if asked.scope == "artist":
        about = str(known_song(track_id)["artist_id"] or "")
        if not about:
            raise Problem(HTTPStatus.CONFLICT, "the song has no artist that could be chosen")
    elif asked.value is not None:
        known_song(track_id)
    until = _end(asked)
    choices = services().stores.mongo.call(
        lambda m: m.choices.set(user_id, asked.scope, about, asked.value, until)
    )
    with contextlib.suppress(Away):
        services().stores.cache.call(lambda c: c.set_choices(user_id, copy_of(choices)))
    return _answer(choices)


@bp.get("/feedback")
def mine() -> Response:
    """Return the listener's choices, the newest first."""
    user_id = listener()
    return _answer(services().stores.mongo.call(lambda m: m.choices.of(user_id)))


def _end(asked: FeedbackRequest) -> datetime | None:
    if asked.until is None:
        return None
    latest = datetime.now(UTC) + timedelta(days=3650)
    if not datetime.now(UTC) < asked.until < latest:
        raise _wrong("until", "must lie in the next ten years")
    return asked.until


def _wrong(field: str, why: str) -> Problem:
    status = HTTPStatus.BAD_REQUEST
    return Problem(status, "the request is not as it should be", [(field, why)])


def _answer(choices: Choices) -> Response:
    response = jsonify(feedback=[_shown(choice) for choice in reversed(choices)])
    response.headers["Cache-Control"] = "no-store"
    return response


def _shown(choice: Choice) -> dict[str, Any]:
    ends = choice["until"].isoformat() if choice["until"] else None
    return choice | {"until": ends, "at": choice["at"].isoformat()}
