"""One night's training: each may start from the factors of the night before.

Two fits share the work: one without the window's last days, which the evaluation asks about, and
one of the whole window, which is published. Each starts from the same fit of an earlier night,
where there is one: in that, a song that is new is folded in. A first night, or one from scratch,
fits the first from random vectors, and the second from what the first has found.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.training import exact, mllib
from jobs.training.als import Factors, Vectors, collect_factors, in_order
from jobs.training.held_out import HeldOut, Moving
from jobs.training.recipe import Engine, Recipe
from jobs.training.weights import weighted
from jobs.training.window import plays_per_pair


@dataclass(frozen=True)
class Start:
    """Vectors of the songs of an earlier night: of its window, and without that one's last days."""

    songs: Vectors
    before_split: Vectors


@dataclass(frozen=True)
class Night:
    """What a night's training gives; `before_split` are songs, None where it has nothing of them.

    `cosine` is the mean cosine of the songs' vectors with those it started from.
    """

    factors: Factors
    engine: Engine
    iterations: int
    before_split: DataFrame | None = None
    cosine: float | None = None


def fit_night(
    plays: DataFrame, as_of: date, split: date, recipe: Recipe, start: Start | None = None
) -> Night:
    """Train on `plays` (user_id, track_id, date; one row per play), as of the day after them.

    `split` is the first of the last days. Only the engine `exact` starts from vectors; MLlib
    trains the whole window alone, from scratch, also what is too large for the other.
    """
    if recipe.engine == "exact":
        try:
            return _exactly(plays, as_of, split, recipe, start)
        except exact.TooLarge as error:
            print(f"training: {error}: mllib trains instead", flush=True)
    weights = _weights(plays, as_of, recipe)
    return Night(mllib.train(weights, recipe.als()), "mllib", recipe.iterations)


def _exactly(
    plays: DataFrame, as_of: date, split: date, recipe: Recipe, start: Start | None
) -> Night:
    early = plays.where(F.col("date") < F.lit(split)).cache()
    if early.isEmpty():
        return Night(_fit(plays, as_of, recipe, recipe.iterations), "exact", recipe.iterations)
    if start is None:
        before = _fit(early, split, recipe, recipe.iterations)
        songs, iterations = collect_factors(before.items), from_split(recipe)
    else:
        late = plays.where(F.col("date") >= F.lit(split))
        moving = Moving(HeldOut.of(early, late), recipe.warm_iterations)
        before = _fit(early, split, recipe, recipe.iterations, start.before_split, moving)
        songs, iterations = start.songs, moving.iterations
    early.unpersist()
    factors = _fit(plays, as_of, recipe, iterations, songs)
    near = mean_cosine(collect_factors(factors.items), start.songs) if start else None
    return Night(factors, "exact", iterations, before.items, near)


def _weights(plays: DataFrame, as_of: date, recipe: Recipe) -> DataFrame:
    return weighted(plays_per_pair(plays, as_of, recipe.half_life), recipe.weighting)


def from_split(recipe: Recipe) -> int:
    """Return the iterations of a whole window that starts from the one without its last days.

    More than from the night before, which lacks one day only: with two, HR@20 of the next song was
    .0011 lower than from scratch on 14 nights of 30Music.
    """
    return max(recipe.warm_iterations, recipe.iterations // 3)


def _fit(
    plays: DataFrame,
    as_of: date,
    recipe: Recipe,
    iterations: int,
    start: Vectors | None = None,
    go_on: Callable[[exact.Lap], bool] = exact.to_the_end,
) -> Factors:
    weights = _weights(plays, as_of, recipe)
    return exact.train(weights, recipe.als(iterations), recipe.limits, start, go_on)


def fold_listeners(plays: DataFrame, as_of: date, recipe: Recipe, songs: Vectors) -> Factors:
    """Return the songs as they are, and the listeners' best vectors for them."""
    return _fit(plays, as_of, recipe, 0, songs)


def mean_cosine(ours: Vectors, theirs: Vectors) -> float:
    """Return the mean cosine of the vectors of the ids that both have."""
    common = pd.Index(ours[0], dtype=object).intersection(pd.Index(theirs[0], dtype=object))
    if not len(common):
        return 0.0
    one, two = (in_order(common, found)[0].astype(np.float64) for found in (ours, theirs))
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return float(((one * two).sum(1) / np.maximum(norms, 1e-12)).mean())
