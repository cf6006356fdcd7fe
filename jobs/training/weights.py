"""From plays of a pair to the weight that ALS trains on."""

from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

Weighting = Literal["log", "linear", "clipped", "binary"]
CLIP = 3


def weighted(pairs: DataFrame, weighting: Weighting) -> DataFrame:
    """Return user_id, track_id, weight (float, > 0, mean 1): one row per user and song.

    `pairs` has user_id, track_id and plays. ALS trusts a pair by 1 + alpha * weight. Divided by
    their mean, the weights of a sparse event log (1.2 plays a pair) and of a table of counts
    (hundreds a pair) are of one size, so that one alpha serves both.
    """
    weight = unscaled(weighting)
    mean = pairs.agg(F.avg(weight).alias("mean"))
    scaled = (weight / F.col("mean")).cast("float").alias("weight")
    return pairs.crossJoin(F.broadcast(mean)).select("user_id", "track_id", scaled)


def mean_weight(pairs: DataFrame, weighting: Weighting) -> float:
    """Return the mean that `weighted` divides by; 1 where there are no pairs."""
    row = pairs.agg(F.avg(unscaled(weighting)).alias("mean")).first()
    return float(row.mean) if row and row.mean else 1.0


def unscaled(weighting: Weighting) -> Column:
    """Return the weight of a pair from its `plays`, before it is divided by the mean."""
    plays = F.col("plays")
    weights: dict[Weighting, Column] = {
        "log": F.log1p(plays),
        "linear": plays,
        "clipped": F.least(plays, F.lit(CLIP)),
        "binary": F.lit(1.0),
    }
    return weights[weighting]
