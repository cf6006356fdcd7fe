"""What, besides the plays, decides a model: the weights of its pairs and how ALS is fitted."""

from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any, Self

from pyspark.sql import DataFrame

from jobs.training import als
from jobs.training.weights import Weighting, weighted
from jobs.training.window import plays_per_pair


@dataclass(frozen=True)
class Recipe:
    """The parameters of one training.

    `alpha` is the confidence of an average pair and `reg` is scaled by the length of a row.
    `half_life` (days; 0: none) lets a play count half as much after so long.
    """

    rank: int
    reg: float
    alpha: float
    iterations: int
    weighting: Weighting
    seed: int
    half_life: float = 0.0

    @classmethod
    def of(cls, params: Any) -> Self:
        """Return the recipe among the settings, or among the `params` of a manifest."""
        names = [field.name for field in fields(cls)]
        if isinstance(params, dict):
            return cls(**{name: params[name] for name in names if name in params})
        return cls(**{name: getattr(params, name) for name in names})

    def params(self) -> dict[str, float | int | str]:
        """Return the parameters by name, as a manifest holds them."""
        return asdict(self)


def fit(plays: DataFrame, as_of: date, recipe: Recipe) -> als.Factors:
    """Train on `plays` (user_id, track_id, date; one row per play), as of the day after them."""
    return fit_pairs(plays_per_pair(plays, as_of, recipe.half_life), recipe)


def fit_pairs(pairs: DataFrame, recipe: Recipe) -> als.Factors:
    """Train on `pairs` (user_id, track_id, plays; one row per user and song)."""
    params = als.AlsParams(recipe.rank, recipe.reg, recipe.alpha, recipe.iterations, recipe.seed)
    return als.train(weighted(pairs, recipe.weighting), params)
