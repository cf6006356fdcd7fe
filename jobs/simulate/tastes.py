"""The file of hidden tastes. Evaluation may read it; training and serving never do."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from jobs.simulate.catalogue import GENRES, Floats, artist_id, era_of_year
from jobs.simulate.listeners import Listeners, song_affinity


def hidden_tastes(listeners: Listeners) -> pa.Table:
    """Return one row per listener.

    Shares of genres (in the order of GENRES) at the first day and at the end of the history,
    shares of eras (in the order of ERAS), favourite artists with their boosts.
    """
    artists = [[artist_id(artist) for artist in row] for row in listeners.artists.tolist()]
    return pa.table(
        {
            "user_id": listeners.user_ids,
            "join_day": listeners.join_day,
            "genre_first": listeners.genre_first.tolist(),
            "genre_last": listeners.genre_last.tolist(),
            "era": listeners.era.tolist(),
            "artists": artists,
            "artist_boost": listeners.artist_boost.tolist(),
        }
    )


def true_affinity(
    tastes: pa.Table, songs: Sequence[Mapping[str, str]], progress: float = 1.0
) -> Floats:
    """Return the true affinity of every listener of `tastes` to every song: rows x songs.

    `songs` need genre, release_date and artist_id, as in songs.jsonl. `progress` is the point
    of the history that is meant: 0 its first day, 1 its end. What is played also depends on
    popularity and on the mood of the session, which are no taste.
    """
    column = {name: np.array(tastes[name].to_pylist()) for name in tastes.column_names}
    index: dict[str, int] = {}
    artist = np.array([index.setdefault(song["artist_id"], len(index)) for song in songs])
    favourites = [
        [index.setdefault(name, len(index)) for name in row] for row in column["artists"].tolist()
    ]
    years = np.array([int(song["release_date"][:4]) for song in songs])
    genre = np.array([GENRES.index(song["genre"]) for song in songs])
    return song_affinity(
        (1 - progress) * column["genre_first"] + progress * column["genre_last"],
        column["era"],
        np.array(favourites),
        column["artist_boost"],
        (genre, era_of_year(years), artist),
    )
