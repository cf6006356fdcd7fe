"""Which posted events are accepted. Never looser than the stream, which would quarantine them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobs.contract.events import MAX_ID_LENGTH, MAX_TRACK_SECONDS, Action, Source
from serving.errors import faults

CLOCK_MS = 5 * 60 * 1000
"""A player's clock may be wrong by this much without being corrected."""

LATEST = timedelta(days=14)
ON_THE_WAY = timedelta(minutes=1)
"""An event that is nearly too late here would be too late for the stream."""


def _usable_id(text: str) -> str:
    if len(text.encode()) > MAX_ID_LENGTH:
        raise ValueError(f"must have at most {MAX_ID_LENGTH} bytes")
    if not text.strip() or re.search(r"[\x00-\x1f\x7f-\x9f]", text):
        raise ValueError("must not be blank nor have control characters")
    return text


Id = Annotated[str, Field(strict=True, min_length=1), AfterValidator(_usable_id)]
Text = Annotated[str, Field(strict=True, max_length=MAX_ID_LENGTH)]
Whole = Annotated[int, Field(strict=True)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=MAX_TRACK_SECONDS)]
Millis = Annotated[int, Field(strict=True, ge=0, le=MAX_TRACK_SECONDS * 1000)]


class PostedEvent(BaseModel):
    """The fields of the contract's EVENT that a player sends, and `sent_at`, its clock."""

    model_config = ConfigDict(extra="forbid")

    event_id: Id
    play_id: Id | None = None
    user_id: Id | None = None
    track_id: Id
    timestamp: Whole
    action: Action
    duration: Seconds | None = None
    total_duration: Seconds | None = None
    source: Source = Source.REAL_USER
    listened_ms: Millis | None = None
    position_ms: Millis | None = None
    cause: Text | None = None
    origin: Text | None = None
    request_id: Id | None = None
    generation: Id | None = None
    rank: Annotated[int, Field(strict=True, ge=1, le=10_000)] | None = None
    sent_at: Whole | None = None

    @model_validator(mode="after")
    def _heard_what_there_is(self) -> Self:
        heard, length = self.duration, self.total_duration
        # Seeking back hears parts twice.
        if heard is not None and length is not None and heard > 2 * length + 60:
            raise ValueError("duration: is far beyond total_duration")
        return self


@dataclass(frozen=True)
class Judged:
    """One posted item: its event if it is accepted, else the reason."""

    event_id: str | None
    event: PostedEvent | None
    reason: str | None = None


def judge(item: Any, user_id: str, now_ms: int) -> Judged:
    """Accept or reject one posted item of the token's listener.

    A player whose clock is off by more than five minutes, as `sent_at` shows, has its
    `timestamp` moved by as much.
    """
    given = item.get("event_id") if isinstance(item, dict) else None
    event_id = given[:MAX_ID_LENGTH] if isinstance(given, str) else None
    try:
        event = PostedEvent.model_validate(item)
    except ValidationError as error:
        return Judged(event_id, None, "; ".join(_said(error)[:3]))
    if event.user_id not in (None, user_id):
        return Judged(event_id, None, "user_id: is not the listener of the token")
    off = now_ms - event.sent_at if event.sent_at is not None else 0
    happened = event.timestamp + (off if abs(off) > CLOCK_MS else 0)
    if happened > now_ms + CLOCK_MS:
        return Judged(event_id, None, "timestamp: lies in the future")
    if happened < now_ms - (LATEST - ON_THE_WAY) // timedelta(milliseconds=1):
        return Judged(event_id, None, f"timestamp: is older than {LATEST.days} days")
    return Judged(event_id, event.model_copy(update={"user_id": user_id, "timestamp": happened}))


def _said(error: ValidationError) -> list[str]:
    return [": ".join(filter(None, fault)) for fault in faults(error)]


def message(event: PostedEvent) -> bytes:
    """Return the event as it is written to the topic."""
    return event.model_dump_json(exclude={"sent_at"}, exclude_none=True).encode()
