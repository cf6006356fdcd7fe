"""How good lists are, listener by listener, and how sure one can be of a mean.

Recall@K is hits / |relevant|; NDCG@K has binary gains and the ideal of min(K, |relevant|) hits;
HR@K is 1 where there is a hit; MRR@K is 1 / place of the first hit, or 0. Someone without a
relevant song is NaN everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

TOP = 20
GAINS = 1 / np.log2(np.arange(2, TOP + 2))
DRAWS = 1000
HOME_METRICS = ("recall_10", "recall_20", "ndcg_10", "ndcg_20", "hr_10", "hr_20", "mrr_20")


@dataclass(frozen=True)
class Mean:
    """A mean over `listeners`, with the interval that bootstrap by listener gives."""

    mean: float
    low: float
    high: float
    listeners: int


def per_listener(lists: Ints, relevant: Sequence[Ints]) -> dict[str, Doubles]:
    """Return each metric with a value per listener; `lists` holds 20 songs each (-1: none)."""
    pairs = zip(lists, relevant, strict=True)
    hits = np.array([np.isin(songs, wanted) for songs, wanted in pairs]).reshape(-1, TOP)
    count = np.array([len(wanted) or np.nan for wanted in relevant])
    found = {"mrr_20": np.where(hits.any(1), 1 / (1 + hits.argmax(1)), 0.0)}
    for k in (10, 20):
        found[f"recall_{k}"] = hits[:, :k].sum(1) / count
        found[f"hr_{k}"] = hits[:, :k].any(1).astype(float)
        ideal = np.cumsum(GAINS)[np.minimum(np.nan_to_num(count, nan=1), k).astype(int) - 1]
        found[f"ndcg_{k}"] = (hits[:, :k] * GAINS[:k]).sum(1) / ideal
    return {name: np.where(np.isnan(count), np.nan, found[name]) for name in HOME_METRICS}


def per_move(ranks: Doubles) -> dict[str, Doubles]:
    """Return each next-song metric with a value per move; `ranks` are those of the next song."""
    return {
        "hr_10": (ranks <= 10).astype(float),
        "hr_20": (ranks <= 20).astype(float),
        "mrr_20": np.where(ranks <= 20, 1 / ranks, 0.0),
    }


def mean_of(values: Doubles, listeners: Ints, seed: int, level: float = 0.95) -> Mean:
    """Return the mean of the values that are not NaN, and its bootstrap interval.

    Whole listeners are drawn, for what one of them does is not independent (Efron and
    Tibshirani, An Introduction to the Bootstrap, chapter 8): `listeners` says whose each value is.
    """
    known = np.isfinite(values)
    values, owners = values[known], listeners[known]
    if len(values) == 0:
        return Mean(0.0, 0.0, 0.0, 0)
    groups = np.unique(owners, return_inverse=True)[1]
    sums, counts = np.bincount(groups, values), np.bincount(groups)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (DRAWS, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    edge = 50 * (1 - level)
    low, high = (float(value) for value in np.percentile(means, [edge, 100 - edge]))
    return Mean(float(values.mean()), low, high, len(sums))


def makeup(lists: Ints, popularity: Doubles, artists: Ints) -> dict[str, Any]:
    """Return what the first ten of the lists are made of.

    `coverage`: share of all songs that is in some list; `popularity`: mean share of songs that
    are played less than a listed one (0.5: no bias); `artist_share`: mean share of a list's most
    frequent artist, of the songs whose artist is known, or None where none is.
    """
    ten = lists[:, :10]
    listed = ten[ten >= 0]
    order = popularity.argsort(kind="stable").argsort(kind="stable") / max(1, len(popularity) - 1)
    shares = [_top_share(artists[row[row >= 0]]) for row in ten]
    known = [share for share in shares if share is not None]
    return {
        "coverage": len(np.unique(listed)) / max(1, len(popularity)),
        "popularity": float(order[listed].mean()) if len(listed) else 0.0,
        "artist_share": float(np.mean(known)) if known else None,
    }


def _top_share(artists: Ints) -> float | None:
    known = artists[artists >= 0]
    return float(np.bincount(known).max() / len(known)) if len(known) else None
