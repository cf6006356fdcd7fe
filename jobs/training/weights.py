"""From plays of a pair to the weight that ALS trains on."""

from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

Weighting = Literal["log", "linear", "clipped", "binary"]
CLIP = 3


def weighted(pairs: DataFrame, weighting: Weighting) -> DataFrame:
    """Return user_id, track_id, weight (float, > 0): one row per user and song.

    `pairs` has user_id, track_id and plays. ALS trusts a pair by 1 + alpha * weight.
    """
    plays = F.col("plays")
    weights: dict[Weighting, Column] = {
        "log": F.log1p(plays),
        "linear": plays,
        "clipped": F.least(plays, F.lit(CLIP)),
        "binary": F.lit(1),
    }
    return pairs.select("user_id", "track_id", weights[weighting].cast("float").alias("weight"))
