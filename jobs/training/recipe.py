"""What, besides the plays, decides a model: the weights of its pairs and how ALS is fitted."""

from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any, Literal, Self

from pyspark.sql import DataFrame

from jobs.training import exact, mllib
from jobs.training.als import AlsParams, Factors
from jobs.training.weights import Weighting, weighted
from jobs.training.window import plays_per_pair

Engine = Literal["exact", "mllib"]


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
    engine: Engine = "exact"
    warm_iterations: int = 2
    limits: exact.Limits = field(default=exact.Limits(), compare=False)

    @classmethod
    def of(cls, params: Any) -> Self:
        """Return the recipe among the settings, or among the `params` of a manifest."""
        names = [found.name for found in fields(cls) if found.name != "limits"]
        if isinstance(params, dict):
            return cls(**{name: params[name] for name in names if name in params})
        limits = exact.Limits(params.exact_driver_pairs, params.exact_broadcast_mib)
        return cls(**{name: getattr(params, name) for name in names}, limits=limits)

    def als(self, iterations: int | None = None) -> AlsParams:
        """Return the parameters of one fit; `iterations` in place of the recipe's."""
        wanted = self.iterations if iterations is None else iterations
        return AlsParams(self.rank, self.reg, self.alpha, wanted, self.seed)

    def params(self) -> dict[str, float | int | str]:
        """Return the parameters by name, as a manifest holds them: what decides the factors."""
        return {name: value for name, value in asdict(self).items() if name != "limits"}


def fit(plays: DataFrame, as_of: date, recipe: Recipe) -> Factors:
    """Train on `plays` (user_id, track_id, date; one row per play), as of the day after them."""
    return fit_pairs(plays_per_pair(plays, as_of, recipe.half_life), recipe)


def fit_pairs(pairs: DataFrame, recipe: Recipe) -> Factors:
    """Train on `pairs` (user_id, track_id, plays; one row per user and song).

    With MLlib, and a sentence that says so, where the vectors are too many for `exact`.
    """
    weights = weighted(pairs, recipe.weighting)
    if recipe.engine == "exact":
        try:
            return exact.train(weights, recipe.als(), recipe.limits)
        except exact.TooLarge as error:
            print(f"training: {error}: mllib trains instead", flush=True)
    return mllib.train(weights, recipe.als())
