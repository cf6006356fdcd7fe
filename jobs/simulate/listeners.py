"""Listeners with hidden tastes that drift, and the truth about them that evaluation may read."""

from dataclasses import dataclass

import numpy as np

from jobs.simulate import words
from jobs.simulate.catalogue import ERAS, GENRES, Catalogue, Floats, Ints

FAVOURITE_ARTISTS = 6
NEWCOMER_SHARE = 0.2
SESSIONS_PER_DAY = 0.21
LEAST_SHARE = 0.01
"""Share that a listener gives to a genre or era that is not theirs at all."""


@dataclass(frozen=True)
class Listeners:
    """One entry per listener in every array.

    Genre shares move in a straight line from `genre_first` (first day of the history) to
    `genre_last` (its end); rows of the three share arrays sum to 1.
    """

    usernames: list[str]
    join_day: Ints  # days since 1970-01-01
    sessions_per_day: Floats
    phase_h: Floats  # hours by which their day runs late
    genre_first: Floats  # listeners x genres
    genre_last: Floats  # listeners x genres
    era: Floats  # listeners x eras
    artists: Ints  # listeners x favourite artists
    artist_boost: Floats  # factor on the affinity to each of these, > 1

    @property
    def user_ids(self) -> list[str]:
        """Ids of the listeners, in the order of the arrays."""
        return [f"listener-{index:04d}" for index in range(len(self.usernames))]

    def rows(self) -> list[dict[str, str]]:
        """Return the contract's USER rows; what they like are their first genres at the end."""
        likes = [" and ".join(GENRES[g] for g in row) for row in self._favourite_genres()]
        rows = zip(self.user_ids, self.usernames, likes, strict=True)
        return [{"user_id": who, "username": name, "likes": liked} for who, name, liked in rows]

    def _favourite_genres(self) -> Ints:
        """Return two genres of each listener, the one they like most first."""
        return np.argsort(-self.genre_last, axis=1, kind="stable")[:, :2]

    def genres_at(self, who: int, progress: Floats) -> Floats:
        """Return a listener's genre shares, one row per point of the history (0 to 1)."""
        at = progress[:, None]
        return np.asarray((1 - at) * self.genre_first[who] + at * self.genre_last[who])


def make_listeners(
    count: int, catalogue: Catalogue, window: tuple[int, int], rng: np.random.Generator
) -> Listeners:
    """Make listeners; a share of them joins inside `window` (first day, day after the last)."""
    first, last = window
    genre_first = _tastes(count, len(GENRES), 0.22, rng)
    drift = rng.beta(1.2, 4.0, size=(count, 1))
    genre_last = (1 - drift) * genre_first + drift * _tastes(count, len(GENRES), 0.22, rng)
    joins = rng.integers(first, last, size=count)
    artists = _favourites(genre_first + genre_last, catalogue, rng)
    names = [f"{given}{number}" for number in range(1, 100) for given in words.FIRST_NAMES]
    return Listeners(
        usernames=[words.nth(names, index) for index in range(count)],
        join_day=np.where(rng.random(count) < NEWCOMER_SHARE, joins, first),
        sessions_per_day=SESSIONS_PER_DAY * rng.lognormal(-0.32, 0.8, size=count),
        phase_h=rng.normal(0, 2.5, size=count),
        genre_first=genre_first,
        genre_last=genre_last,
        era=_tastes(count, len(ERAS), 0.5, rng),
        artists=artists,
        artist_boost=1 + rng.gamma(3.0, 1.2, size=artists.shape),
    )


def song_affinity(
    genres: Floats, eras: Floats, artists: Ints, boost: Floats, songs: tuple[Ints, Ints, Ints]
) -> Floats:
    """Return how much listeners like songs: genre share x era share x artist boost.

    `genres` has a row per listener, or per moment of one listener, and so have the others
    (or one row for all); `songs` are the genre, era and artist of each song. Returns rows x
    songs, > 0. Popularity and moods come on top of it.
    """
    genre, era, artist = songs
    factor = np.ones((len(artists), max(int(artist.max()), int(artists.max())) + 1))
    np.put_along_axis(factor, artists, boost, axis=1)
    return np.asarray(genres[:, genre] * eras[:, era] * factor[:, artist])


def _tastes(count: int, kinds: int, spread: float, rng: np.random.Generator) -> Floats:
    shares = rng.dirichlet(np.full(kinds, spread), size=count) + LEAST_SHARE
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _favourites(genres: Floats, catalogue: Catalogue, rng: np.random.Generator) -> Ints:
    count = len(catalogue.artist_names)
    fame = np.bincount(catalogue.artist, weights=catalogue.popularity, minlength=count)
    genre = np.zeros(count, dtype=np.int64)
    genre[catalogue.artist] = catalogue.genre
    chance = genres[:, genre] * fame
    # Exponential clocks: the smallest are a weighted draw without replacement.
    clocks = rng.exponential(size=chance.shape) / chance
    return np.argsort(clocks, axis=1)[:, :FAVOURITE_ARTISTS]
