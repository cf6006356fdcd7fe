"""A catalogue of invented songs by genre and era, with Zipf popularity."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from jobs.simulate import words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

GENRES = (
    "ambient",
    "classical",
    "jazz",
    "soul",
    "funk",
    "hip hop",
    "house",
    "techno",
    "synthpop",
    "rock",
    "indie",
    "folk",
)
"""In a ring: neighbours, the last and the first too, are heard in the same moods."""

ERAS = (1970, 1980, 1990, 2000, 2010, 2020)
"""First years of the decades."""

GENRE_SHARES = np.array([5, 4, 6, 8, 5, 14, 8, 7, 9, 14, 12, 8]) / 100
ERA_SHARES = np.array([8, 12, 16, 18, 24, 22]) / 100
NEW_SONG_SHARE = 0.06
ZIPF_EXPONENT = 0.85
ZIPF_SHIFT = 5.0


@dataclass(frozen=True)
class Catalogue:
    """One entry per song in every array; `artist`, `genre` and `era` are indexes."""

    title: list[str]
    album: list[str]
    artist_names: list[str]
    artist: Ints
    genre: Ints
    era: Ints
    release_day: Ints  # days since 1970-01-01
    duration_s: Ints
    popularity: Floats  # shares of 1, before anyone's taste

    @property
    def track_ids(self) -> list[str]:
        """Ids of the songs, in the order of the arrays."""
        return [f"song-{index:05d}" for index in range(len(self.title))]

    def rows(self) -> list[dict[str, str | int | None]]:
        """Return the contract's SONG rows, the most popular song first."""
        ids = self.track_ids
        return [self._row(int(index), ids[index]) for index in np.argsort(-self.popularity)]

    def _row(self, index: int, track_id: str) -> dict[str, str | int | None]:
        released = date(1970, 1, 1) + timedelta(days=int(self.release_day[index]))
        return {
            "track_id": track_id,
            "title": self.title[index],
            "artist": self.artist_names[self.artist[index]],
            "artist_id": artist_id(int(self.artist[index])),
            "album": self.album[index],
            "genre": GENRES[self.genre[index]],
            "duration_ms": int(self.duration_s[index]) * 1000,
            "release_date": released.isoformat(),
            "image_url": None,
            "url": None,
        }


def artist_id(artist: int) -> str:
    """Return the id of an artist by its index."""
    return f"artist-{artist:04d}"


def era_of_year(years: Ints) -> Ints:
    """Return the index of each year's era; a year before the first era belongs to it."""
    return np.maximum(np.searchsorted(ERAS, years, side="right") - 1, 0)


def make_catalogue(songs: int, window: tuple[int, int], rng: np.random.Generator) -> Catalogue:
    """Make `songs` songs by at least 200 artists (fewer songs: one artist each).

    Popularity is Zipf's over a ranking in which popular artists come first more often than
    not. A share of the songs comes out inside `window` (first day, day after the last); all
    others were out before it.
    """
    artists = min(songs, max(200, songs // 10))
    artist_fame = rng.normal(size=artists)
    artist = np.concatenate([np.arange(artists), _skewed(artist_fame, songs - artists, rng)])
    artist_era = rng.choice(len(ERAS), size=artists, p=ERA_SHARES)
    era = np.clip(artist_era[artist] + rng.choice([-1, 0, 0, 1], size=songs), 0, len(ERAS) - 1)
    fresh = rng.random(songs) < NEW_SONG_SHARE
    names, titles = _shuffled(words.artists(), rng), _shuffled(words.titles(), rng)
    album_of = rng.integers(0, 3, size=songs) + 3 * artist
    release_day = _release_days(era, fresh, window, rng)
    albums = _shuffled(words.titles(), rng)
    return Catalogue(
        title=[words.nth(titles, index) for index in range(songs)],
        album=[words.nth(albums, int(index)) for index in album_of],
        artist_names=[words.nth(names, index) for index in range(artists)],
        artist=artist,
        genre=rng.choice(len(GENRES), size=artists, p=GENRE_SHARES)[artist],
        era=era_of_year(_years(release_day)),
        release_day=release_day,
        duration_s=np.clip(rng.normal(220, 42, size=songs), 120, 330).astype(np.int64),
        popularity=_zipf(0.8 * artist_fame[artist] + rng.normal(size=songs)),
    )


def _skewed(fame: Floats, size: int, rng: np.random.Generator) -> Ints:
    shares = np.exp(0.6 * fame)
    return rng.choice(len(fame), size=size, p=shares / shares.sum())


def _zipf(score: Floats) -> Floats:
    rank = np.empty(len(score))
    rank[np.argsort(-score)] = np.arange(len(score))
    shares = (rank + ZIPF_SHIFT) ** -ZIPF_EXPONENT
    return np.asarray(shares / shares.sum())


def _release_days(
    era: Ints, fresh: NDArray[np.bool_], window: tuple[int, int], rng: np.random.Generator
) -> Ints:
    decades = [(date(year, 1, 1) - date(1970, 1, 1)).days for year in ERAS]
    ends = np.minimum([*decades[1:], window[0]], window[0])
    starts = np.minimum(decades, ends - 1)
    old = rng.integers(starts[era], ends[era])
    return np.where(fresh, rng.integers(*window, size=len(era)), old)


def _years(days: Ints) -> Ints:
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def _shuffled(names: list[str], rng: np.random.Generator) -> list[str]:
    return [names[index] for index in rng.permutation(len(names))]
