"""What one listener plays: sessions by time of day, each in one mood."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.simulate.catalogue import ERAS, GENRES, Catalogue, Floats, Ints
from jobs.simulate.listeners import song_affinity
from jobs.simulate.world import World

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
LONGEST_SESSION = 40  # songs
MEAN_SESSION = 8.0
LONGEST_PAUSE_S = 180.0  # between two songs of a session
BETWEEN_SESSIONS_MS = 45 * 60_000
"""Well over the contract's session gap, so that sessions can be told apart again."""

LISTEN_AT_MOST_S = 240
"""A song counts as played at its half, or here where that comes first."""

HOUR_WEIGHTS = np.array(
    [3, 2, 1, 1, 1, 1, 2, 4, 6, 6, 5, 5, 6, 6, 5, 5, 6, 8, 9, 10, 10, 9, 7, 5], dtype=float
)
WEEKDAY_WEIGHTS = np.array([0.9, 0.9, 0.95, 1.0, 1.15, 1.2, 1.0])  # Monday first


@dataclass(frozen=True)
class Sessions:
    """One entry per session in every array; `genre` and `era` are its mood."""

    start_ms: Ints  # epoch, ascending
    songs: Ints  # how many it has
    genre: Ints
    era: Ints
    progress: Floats  # point of the history, 0 to 1


@dataclass(frozen=True)
class Plays:
    """One entry per song that was put on, in the order it happened."""

    who: Ints
    song: Ints
    session: Ints  # counted per listener
    start_ms: Ints  # epoch
    heard_ms: Ints  # until it was left, or the whole song

    def where(self, chosen: NDArray[np.bool_] | Ints) -> "Plays":
        """Return the chosen plays, by a mask or in the order of the indexes."""
        return Plays(**{name: values[chosen] for name, values in vars(self).items()})


def join_plays(parts: list[Plays]) -> Plays:
    """Return the plays of all parts, one after the other."""
    names = Plays.__dataclass_fields__
    return Plays(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def history_sessions(world: World, who: int, rng: np.random.Generator) -> Sessions:
    """Draw a listener's sessions from the day they join to the end of the history."""
    args, listeners = world.arguments, world.listeners
    days = np.arange(listeners.join_day[who], args.last_day)
    weekday = (days + 3) % 7  # 1970-01-01 was a Thursday
    counts = rng.poisson(listeners.sessions_per_day[who] * WEEKDAY_WEIGHTS[weekday])
    counts[0] = max(counts[0], 1)  # who joins listens
    day = np.repeat(days, counts)
    hours = rng.choice(24, size=len(day), p=HOUR_WEIGHTS / HOUR_WEIGHTS.sum())
    hours = (hours + rng.random(len(day)) + listeners.phase_h[who]) % 24
    start_ms = np.sort(day * DAY_MS + (hours * HOUR_MS).astype(np.int64))
    progress = (start_ms / DAY_MS - args.first_day) / args.days
    return sessions_at(world, who, start_ms, progress, rng)


def sessions_at(
    world: World, who: int, start_ms: Ints, progress: Floats, rng: np.random.Generator
) -> Sessions:
    """Draw the mood and length of sessions that start at these times."""
    genres = world.listeners.genres_at(who, progress)
    points = rng.random((len(start_ms), 1))
    genre = np.minimum((genres.cumsum(axis=1) < points).sum(axis=1), len(GENRES) - 1)
    era = rng.choice(len(ERAS), size=len(start_ms), p=world.listeners.era[who])
    songs = np.minimum(rng.geometric(1 / MEAN_SESSION, size=len(start_ms)), LONGEST_SESSION)
    return Sessions(start_ms, songs, genre, era, progress)


def play_sessions(world: World, who: int, sessions: Sessions, rng: np.random.Generator) -> Plays:
    """Draw the songs of each session, none twice, and how long each was heard.

    The chance of a song is popularity x affinity x nearness to the mood; a song whose
    affinity is low is likely to be skipped. A session that would start within another, or
    right after it, is put off.
    """
    catalogue = world.catalogue
    affinity = _affinity(world, who, sessions)
    weights = affinity * catalogue.popularity * _nearness(catalogue, sessions)
    weights *= _newness(catalogue, sessions.start_ms // DAY_MS)
    longest = min(int(sessions.songs.max(initial=0)), len(catalogue.title))
    order = _draw(weights, longest, rng)
    row, column = np.nonzero(np.arange(longest) < sessions.songs[:, None])
    song = order[row, column]
    usual = (affinity * catalogue.popularity).sum(axis=1)
    heard_ms = _heard(catalogue.duration_s[song], affinity[row, song] / usual[row], rng)
    pause_ms = (1000 * np.minimum(rng.exponential(6.0, len(song)), LONGEST_PAUSE_S)).astype(int)
    start_ms = _starts(sessions.start_ms, row, heard_ms + pause_ms)
    return Plays(np.full(len(song), who), song, row, start_ms, heard_ms)


def listen_after_ms(duration_s: Ints) -> Ints:
    """Return after how many milliseconds a song counts as played (a `listen`)."""
    return np.minimum(duration_s * 500, LISTEN_AT_MOST_S * 1000)


def _affinity(world: World, who: int, sessions: Sessions) -> Floats:
    listeners, catalogue = world.listeners, world.catalogue
    return song_affinity(
        listeners.genres_at(who, sessions.progress),
        listeners.era[[who]],
        listeners.artists[[who]],
        listeners.artist_boost[[who]],
        (catalogue.genre, catalogue.era, catalogue.artist),
    )


def _nearness(catalogue: Catalogue, sessions: Sessions) -> Floats:
    """Return e^-(2 per step on the genre ring + 0.8 per decade): sessions x songs."""
    genres, eras = np.arange(len(GENRES)), np.arange(len(ERAS))
    steps = np.abs(genres[:, None] - genres)
    by_genre = np.exp(-2.0 * np.minimum(steps, len(GENRES) - steps))
    by_era = np.exp(-0.8 * np.abs(eras[:, None] - eras))
    near = by_genre[sessions.genre][:, catalogue.genre]
    return np.asarray(near * by_era[sessions.era][:, catalogue.era])


def _newness(catalogue: Catalogue, day: Ints) -> Floats:
    """Return 0 before a song is out, then from 4 down to 1 within some weeks."""
    age = day[:, None] - catalogue.release_day
    return np.where(age >= 0, 1 + 3 * np.exp(-np.maximum(age, 0) / 14), 0.0)


def _draw(weights: Floats, songs: int, rng: np.random.Generator) -> Ints:
    """Draw distinct songs for each row by weight: the smallest exponential clocks, in order."""
    clocks = rng.standard_exponential(weights.shape, dtype=np.float32)
    with np.errstate(divide="ignore"):
        clocks /= weights.astype(np.float32)
    nearest = np.argpartition(clocks, max(songs - 1, 0), axis=1)[:, :songs]
    order = np.argsort(np.take_along_axis(clocks, nearest, axis=1), axis=1)
    return np.take_along_axis(nearest, order, axis=1)


def _heard(duration_s: Ints, liking: Floats, rng: np.random.Generator) -> Ints:
    """Return milliseconds heard; `liking` is the affinity over its usual value, 1 is average."""
    size = len(duration_s)
    skip_chance = 0.05 + 0.55 / (1 + liking)
    share = np.where(rng.random(size) < 0.85, 1.0, rng.uniform(0.6, 0.98, size))
    threshold = listen_after_ms(duration_s)
    early = (rng.uniform(0.02, 0.9, size) * threshold).astype(np.int64)
    late = np.maximum((share * duration_s * 1000).astype(np.int64), threshold)
    return np.where(rng.random(size) < skip_chance, early, late)


def _starts(session_ms: Ints, row: Ints, taken_ms: Ints) -> Ints:
    """Lay songs end to end within their sessions, and sessions apart from each other."""
    length = np.bincount(row, weights=taken_ms, minlength=len(session_ms)).astype(np.int64)
    before = np.cumsum(length + BETWEEN_SESSIONS_MS) - length - BETWEEN_SESSIONS_MS
    starts = before + np.maximum.accumulate(session_ms - before)
    within = np.cumsum(taken_ms) - taken_ms
    first_of_row = (np.cumsum(length) - length)[row]
    return np.asarray(starts[row] + within - first_of_row)
