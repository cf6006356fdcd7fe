"""What answers look like, for the contract; tests hold the real answers against these."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """An answer has these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Song(Answer):
    """A song as people see it."""

    track_id: str
    title: str | None
    artist: str | None
    artist_id: str | None
    album: str | None
    genre: str | None
    duration_ms: int | None
    release_date: str | None
    image_url: str | None
    plays_7d: int
    plays_cumulative: int
    playable: bool


class ReasonSong(Answer):
    """A song that speaks for another one, and its share of all that does."""

    track_id: str
    title: str | None
    share: float


class Reason(Answer):
    """Why a song is listed; taste and session are shares of its score that add up to 1."""

    kind: Literal["plays", "session", "taste", "similar", "nightly", "popular", "catalogue"]
    text: str
    songs: list[ReasonSong]
    taste: float | None
    session: float | None


class ListedSong(Song):
    """A song of a list."""

    rank: int
    score: float | None
    reason: Reason


class Recommendations(Answer):
    """Songs, best first; `degraded` names what was away, `fallback` why songs are not personal."""

    request_id: str
    user_id: str | None
    generation: str | None
    generated_at: datetime
    strategy: str
    degraded: list[str]
    songs: list[ListedSong]
    fallback: Literal["no_generation", "unknown_listener", "nothing_else_left"] | None = None


class Shelf(Answer):
    """A row of the home page."""

    id: Literal["made_for_you", "because", "new_for_you", "popular"]
    title: str
    songs: list[ListedSong]


class Home(Recommendations):
    """The home page: `songs` are those of the first shelf."""

    shelves: list[Shelf]


class Queue(Recommendations):
    """What comes next; `exhausted` when no song is left."""

    exhausted: bool


class SongsPage(Answer):
    """A page of the catalogue."""

    songs: list[Song]
    next_cursor: str | None
    degraded: list[str]


class Found(Answer):
    """What a search found."""

    query: str
    songs: list[Song]
    degraded: list[str]


class EventResult(Answer):
    """What became of one event."""

    event_id: str | None
    status: Literal["accepted", "duplicate", "rejected"]
    reason: str | None = None


class EventResults(Answer):
    """What became of each event, in the order of the request."""

    results: list[EventResult]


class Choice(Answer):
    """A song or an artist that the listener loves, wants less of, or bans."""

    scope: Literal["song", "artist"]
    id: str
    value: Literal["love", "ban", "less"]
    until: datetime | None
    at: datetime


class Choices(Answer):
    """The listener's choices, the newest first."""

    feedback: list[Choice]


class Me(Answer):
    """Who the token speaks for, and until when."""

    user_id: str
    expires_at: datetime


class At(Answer):
    """A song, and when it was played or skipped last."""

    track_id: str
    at: datetime


class Played(Answer):
    """A song, and its plays in the window of the training."""

    track_id: str
    plays: float


class Export(Answer):
    """All that serving keeps of a listener; `not_in_this_file` says who has the rest."""

    user_id: str
    exported_at: datetime
    profile: dict[str, str | None]
    choices: list[Choice]
    vectors: dict[str, list[float]]
    generation: str | None
    nightly_list: list[str]
    plays_in_window: list[Played]
    recent_plays: list[At]
    recent_skips: list[At]
    not_in_this_file: str


class Erasing(Answer):
    """The night will erase the listener."""

    status: Literal["queued"]
    requested_at: datetime


class Alive(Answer):
    """The process runs."""

    status: Literal["ok"]


class Ready(Answer):
    """Whether songs can be served, and what is away."""

    status: Literal["ready", "unready"]
    generation: str | None
    published_at: datetime | None
    checks: dict[str, Literal["ok", "away"]]
    degraded: list[str]
    stream: dict[str, Any] | None
    alerts: list[dict[str, Any]] | None


class Fault(Answer):
    """A wrong field of a request."""

    field: str
    detail: str


class Problem(Answer):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[Fault] = []
