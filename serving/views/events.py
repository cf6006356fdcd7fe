"""POST /events: listening events of the token's listener, into Kafka."""

import contextlib
import hashlib
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

from flask import Blueprint, Response, jsonify
from pydantic import Field

from jobs.contract.events import Action
from serving.intake import Judged, PostedEvent, judge, message
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

    What was acknowledged before is a duplicate, and is not sent again. While Kafka is away the
    answer is a problem 503: send the whole batch again, with the same ids.
    """
    user_id = listener()
    now_ms = time.time_ns() // 1_000_000
    judged = [judge(item, user_id, now_ms) for item in body(EventBatch).events]
    repeated = _repeated(user_id, [j.event for j in judged])
    pairs = list(zip(judged, repeated, strict=True))
    new = [j.event for j, again in pairs if j.event is not None and not again]
    if new:
        messages = [(user_id, message(event)) for event in new]
        services().stores.events.call(lambda log: log.send(messages))
        _remember(user_id, new)
    response = jsonify(results=[_result(j, again) for j, again in pairs])
    response.headers["Cache-Control"] = "no-store"
    return response, HTTPStatus.ACCEPTED


def _result(judged: Judged, again: bool) -> dict[str, str | None]:
    if judged.event is None:
        return {"event_id": judged.event_id, "status": "rejected", "reason": judged.reason}
    return {"event_id": judged.event_id, "status": "duplicate" if again else "accepted"}


def _repeated(user_id: str, events: Sequence[PostedEvent | None]) -> list[bool]:
    """Return for each event whether it was acknowledged before, or comes twice in the batch.

    While Redis is away, what was acknowledged before is unknown here; the stream drops it.
    """
    marks = [_marks(event) if event is not None else () for event in events]
    every = [mark for of_event in marks for mark in of_event]
    known: set[str] = set()
    if every:
        with contextlib.suppress(Away):
            known = services().stores.cache.call(lambda cache: cache.sent(user_id, every))
    repeated = []
    for of_event in marks:
        repeated.append(not known.isdisjoint(of_event))
        known = known.union(of_event)
    return repeated


def _marks(event: PostedEvent) -> tuple[str, ...]:
    """Return what an event may be recognised by: its id, and the one of its kind in a play."""
    ids = [f"event {event.event_id}"]
    if event.play_id is not None:
        ids.append(f"{event.action} {event.play_id}")
    return tuple(hashlib.blake2b(text.encode(), digest_size=12).hexdigest() for text in ids)


def _remember(user_id: str, events: list[PostedEvent]) -> None:
    """Keep what was listened to out of the next lists; those are only less good without it."""
    marks = [mark for event in events for mark in _marks(event)]
    plays: dict[str, int] = {}
    skips: dict[str, int] = {}
    for event in events:
        if event.action is Action.LISTEN:
            plays[event.track_id] = max(event.timestamp, plays.get(event.track_id, 0))
        elif event.action is Action.SKIP and _meant(event):
            skips[event.track_id] = max(event.timestamp, skips.get(event.track_id, 0))
    with contextlib.suppress(Away):
        services().stores.cache.call(lambda cache: cache.add_plays(user_id, plays, skips, marks))


def _meant(event: PostedEvent) -> bool:
    """Return whether a skip says something about the song: browsing and seeking don't."""
    return event.cause != "scrub" and (event.listened_ms or BROWSED_MS) >= BROWSED_MS
