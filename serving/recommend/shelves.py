"""The home page: made for you, because you played a song, new for you, popular."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from serving.recommend.climb import FIRST_SEARCH, Answer, Climb, explain, songs_of, unscored
from serving.recommend.ranking import Pick, pick, without
from serving.recommend.reasons import Reason
from serving.recommend.sources import Away, Candidate

SHELF_SONGS = 10
READ_AHEAD = 20

ShelfId = Literal["made_for_you", "because", "new_for_you", "popular"]


@dataclass(frozen=True)
class Shelf:
    """A row of songs. `seed` is the song that a `because` shelf begins with."""

    id: ShelfId
    picks: list[Pick]
    seed: str | None = None


def shelves(climb: Climb, answer: Answer) -> list[Shelf]:
    """Return the shelves that have songs, in order; no song stands in two of them.

    The first one is the answer, unless that is nothing but popular songs.
    """
    popular_only = answer.strategy in ("popular", "popular_memory", "catalogue")
    found = [] if popular_only else [Shelf("made_for_you", answer.picks)]
    listed = climb.lately | {p.track_id for p in answer.picks if not popular_only}
    for make in (_because, _new, _popular):
        shelf = make(climb, listed)
        if shelf is not None and shelf.picks:
            found.append(shelf)
            listed = listed | {p.track_id for p in shelf.picks}
    return found


def read_ahead(climb: Climb) -> None:
    """Read the songs that the shelves will most likely name, in one round trip in place of four."""
    wanted: list[str] = []
    if climb.taste is not None:
        with suppress(Away):
            best = without(climb.nearest(climb.taste.vector, FIRST_SEARCH), climb.lately)
            most = 2 * (climb.wish.limit + SHELF_SONGS)
            wanted += [track_id for track_id, _ in islice(best, most)]
    wanted += islice(climb.listener.plays, READ_AHEAD)
    seed = _seed(climb)
    if seed is not None:
        wanted += [seed]
        wanted += [t for t, _ in climb.neighbours([seed]).get(seed, ())[: 2 * SHELF_SONGS]]
    climb.reads.songs(wanted)


def _because(climb: Climb, listed: frozenset[str]) -> Shelf | None:
    """Return what goes with the song that was played last, or most of all."""
    seed = _seed(climb)
    if seed is None:
        return None
    near: Sequence[Candidate] = climb.neighbours([seed]).get(seed, ())
    model = climb.snapshot.model
    vector = model.vector(seed) if model else None
    if not near and vector is not None:
        try:
            near = climb.nearest(vector, 10 * SHELF_SONGS)
        except Away:
            near = ()
    left = without(near, listed | {seed})
    picks = pick(left, climb.reads.songs, SHELF_SONGS, climb.rules())
    why = Reason("similar", [(seed, 1.0)], taste=0.0, session=1.0)
    return Shelf("because", [found.because(why) for found in picks], seed)


def _seed(climb: Climb) -> str | None:
    banned, plays = climb.listener.profile.bans.songs, climb.listener.plays
    skipped = {track_id for track_id, _ in climb.listener.memory.skipped}
    recent = (track_id for track_id, _ in climb.listener.memory.plays)
    best = sorted(plays, key=lambda track_id: (-plays[track_id], track_id))
    unwanted = banned | skipped
    return next((track_id for track_id in (*recent, *best) if track_id not in unwanted), None)


def _new(climb: Climb, listed: frozenset[str]) -> Shelf | None:
    """Return the best songs that the listener has not heard."""
    if climb.taste is None:
        return None
    try:
        found = climb.nearest(climb.taste.vector, FIRST_SEARCH)
    except Away:
        return None
    left = without(found, listed | climb.listener.heard())
    picks = pick(left, climb.reads.songs, SHELF_SONGS, climb.rules())
    return Shelf("new_for_you", explain(climb, picks))


def _popular(climb: Climb, listed: frozenset[str]) -> Shelf:
    popular = climb.snapshot.popular_songs
    left = without(unscored(popular), listed)
    picks = pick(left, songs_of(popular), SHELF_SONGS, climb.rules())
    return Shelf("popular", [found.because(Reason("popular")) for found in picks])
