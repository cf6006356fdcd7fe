"""Exact ranking over all songs, and how good it is: NumPy on one machine.

Recall@K is hits / |relevant|; NDCG@K has binary gains and the ideal of min(K, |relevant|)
hits, both averaged over users. A relevant song that the model does not know is a miss.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Scorer = Callable[[slice], Floats]
"""Scores of all songs (columns) for some of the judged users (rows); its result is changed."""

TOP = 20
NDCG_TOP = 10
BLOCK_CELLS = 20_000_000
"""Scores held at a time: 80 MB of float32."""


@dataclass(frozen=True)
class Holdout:
    """The judged users in a fixed order, their songs as positions among the model's songs.

    `plays` are those of each song in the window; `heard` and `relevant` hold per user the
    songs of the window and of the test days. A position past the model's last song is a song
    that it does not know.
    """

    plays: Floats
    heard: list[Ints]
    relevant: list[Ints]


@dataclass(frozen=True)
class Quality:
    """Means over `users`, the users with at least one relevant song."""

    users: int
    recall_10: float
    recall_20: float
    ndcg_10: float

    def row(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)


def holdout(
    users: list[str], songs: list[str], plays: pd.Series, train: pd.DataFrame, test: pd.DataFrame
) -> Holdout:
    """Return the holdout of `users` over `songs`, in these orders.

    `plays` is indexed by track id; `train` and `test` have user_id and track_id, one row per
    user and song.
    """
    known = pd.Index(songs)
    index = known.append(pd.Index(test["track_id"].unique()).difference(known))
    return Holdout(
        plays.reindex(known, fill_value=0).to_numpy(np.float32),
        _positions(users, index, train),
        _positions(users, index, test),
    )


def _positions(users: list[str], songs: "pd.Index[str]", rows: pd.DataFrame) -> list[Ints]:
    at = pd.Series(songs.get_indexer(rows["track_id"]), index=rows["user_id"])
    groups = at.groupby(level=0, sort=False).agg(list).to_dict()
    return [np.array(groups.get(user, []), dtype=np.int64) for user in users]


def by_factors(users: Floats, items: Floats) -> Scorer:
    """Return the scorer of a factor model: inner products."""
    return lambda rows: users[rows] @ items.T


def by_popularity(data: Holdout) -> Scorer:
    """Return the scorer that gives every user the most played songs of the window."""
    return lambda rows: np.tile(data.plays, (len(data.heard[rows]), 1))


def quality(data: Holdout, scorer: Scorer, unheard: bool) -> Quality:
    """Rank all songs for each user and compare with what was played then.

    `unheard` drops a user's own songs of the window from the list and from what is relevant.
    Equal scores go by plays in the window, so that a model without an opinion is popularity.
    """
    gains = 1 / np.log2(np.arange(2, NDCG_TOP + 2))
    found: list[tuple[float, float, float]] = []
    for rows in _blocks(len(data.heard), len(data.plays)):
        users = zip(scorer(rows), data.heard[rows], data.relevant[rows], strict=True)
        for scores, heard, relevant in users:
            wanted = np.setdiff1d(relevant, heard) if unheard else relevant
            if len(wanted) == 0:
                continue
            if unheard:
                scores[heard] = -np.inf
            hits = np.zeros(TOP)
            top = best_songs(scores, data.plays)
            hits[: len(top)] = np.isin(top, wanted)
            gain = (hits[:NDCG_TOP] * gains).sum() / gains[: len(wanted)].sum()
            found.append((hits[:10].sum() / len(wanted), hits.sum() / len(wanted), gain))
    means = np.mean(found, axis=0) if found else np.zeros(3)
    return Quality(len(found), *(float(value) for value in means))


def _blocks(users: int, songs: int) -> Iterator[slice]:
    size = max(1, BLOCK_CELLS // max(1, songs))
    return (slice(start, start + size) for start in range(0, users, size))


def best_songs(scores: Floats, plays: Floats) -> Ints:
    """Return the positions of the best 20 songs, best first; songs at -inf are left out.

    Equal scores go by plays, then by position.
    """
    k = min(TOP, len(scores))
    best = np.argpartition(-scores, k - 1)[:k]
    # With everything that scores like the last one, for ties at the border go by plays too.
    level = np.flatnonzero(scores >= scores[best].min())
    level = level[np.isfinite(scores[level])]
    return level[np.lexsort((-plays[level], -scores[level]))][:k]
