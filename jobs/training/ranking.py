"""Exact ranking over all songs: NumPy on one machine."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from jobs.training.metrics import TOP, Doubles, Ints

Floats = NDArray[np.float32]
Scorer = Callable[[slice], Floats]
"""Scores of all songs (columns) for some of the listeners or moves (rows); a new array."""

BLOCK_CELLS = 20_000_000
"""Scores held at a time: 80 MB of float32."""


def top_lists(scorer: Scorer, rows: int, plays: Floats, without: list[Ints] | None = None) -> Ints:
    """Return the best 20 songs of each row, best first, -1 where there are fewer.

    `without` are songs that may not be in the list of a row. Equal scores go by `plays`, so that
    a model without an opinion is popularity.
    """
    lists = np.full((rows, TOP), -1, dtype=np.int64)
    for block in blocks(rows, len(plays)):
        for row, scores in enumerate(scorer(block), start=block.start):
            if without is not None:
                scores[without[row]] = -np.inf
            top = best_songs(scores, plays)
            lists[row, : len(top)] = top
    return lists


def ranks_of(scorer: Scorer, targets: Ints, current: Ints, plays: Floats) -> Doubles:
    """Return the rank (from 1) of each row's target among all songs but the current one.

    Equal scores go by `plays`; still equal ones share their mean rank. A target of -1, a song
    that no model knows, and one without a finite score have rank infinity.
    """
    ranks = np.full(len(targets), np.inf)
    lift = plays.astype(np.float64) * (1e-9 / max(1.0, float(plays.max(initial=0))))
    for block in blocks(len(targets), len(plays)):
        scores = scorer(block).astype(np.float64) + lift
        rows = np.arange(len(scores))
        there = current[block] >= 0
        scores[rows[there], current[block][there]] = -np.inf
        own = scores[rows, targets[block]][:, None]
        found = 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
        known = np.isfinite(own[:, 0]) & (targets[block] >= 0)
        ranks[block] = np.where(known, found, np.inf)
    return ranks


def blocks(rows: int, songs: int) -> Iterator[slice]:
    """Yield the rows in slices of as many as may be scored at a time."""
    size = max(1, BLOCK_CELLS // max(1, songs))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


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
