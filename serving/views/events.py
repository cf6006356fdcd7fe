"""POST /events: listening events of the token's listener, into Kafka."""

import contextlib
import time
from http import HTTPStatus
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify
from pydantic import Field

from jobs.contract.events import Action
from serving.intake import PostedEvent, judge, message
from serving.recommend.sources import Away
from serving.services import listener, services
from serving.views.params import Body, body

MAX_EVENTS = 50
BROWSED_MS = 2_000
"""A song that was left sooner was looked at, not listened to."""

bp = Blueprint("events", __name__)


class EventBatch(Body):
    """The envelope; each item is judged alone, so that a bad one holds up no other."""

    events: Annotated[list[Any], Field(min_length=1, max_length=MAX_EVENTS)]


@bp.post("/events")
def post() -> tuple[Response, int]:
    """Return what became of each event, once the broker has every accepted one.

    While Kafka is away the answer is a problem 503: send the whole batch again, with the
    same ids.
    """
    user_id = listener()
    now_ms = time.time_ns() // 1_000_000
    judged = [judge(item, user_id, now_ms) for item in body(EventBatch).events]
    accepted = [j.event for j in judged if j.event is not None]
    if accepted:
        messages = [(user_id, message(event)) for event in accepted]
        services().stores.events.call(lambda log: log.send(messages))
        _remember(user_id, accepted)
    results = [
        {"event_id": j.event_id, "status": "accepted"}
        if j.event is not None
        else {"event_id": j.event_id, "status": "rejected", "reason": j.reason}
        for j in judged
    ]
    response = jsonify(results=results)
    response.headers["Cache-Control"] = "no-store"
    return response, HTTPStatus.ACCEPTED


def _remember(user_id: str, events: list[PostedEvent]) -> None:
    """Keep what was listened to out of the next lists; those are only less good without it."""
    plays: dict[str, int] = {}
    skips: dict[str, int] = {}
    for event in events:
        if event.action is Action.LISTEN:
            plays[event.track_id] = max(event.timestamp, plays.get(event.track_id, 0))
        elif event.action is Action.SKIP and _meant(event):
            skips[event.track_id] = max(event.timestamp, skips.get(event.track_id, 0))
    with contextlib.suppress(Away):
        services().stores.cache.call(lambda cache: cache.add_plays(user_id, plays, skips))


def _meant(event: PostedEvent) -> bool:
    """Return whether a skip says something about the song: browsing and seeking don't."""
    return event.cause != "scrub" and (event.listened_ms or BROWSED_MS) >= BROWSED_MS
