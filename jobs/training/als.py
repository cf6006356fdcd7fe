"""MLlib's ALS for implicit feedback, from string ids to string ids."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.feature import IndexToString, StringIndexer
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

BLOCKS = 4
"""Blocks of users and of songs. MLlib draws the first factors block by block, so a number that
followed the master's cores would give every cluster another model."""


@dataclass(frozen=True)
class AlsParams:
    """`reg` is scaled by the length of a row (MLlib's scaling); `alpha` is per unit weight."""

    rank: int
    reg: float
    alpha: float
    iterations: int
    seed: int


@dataclass(frozen=True)
class Factors:
    """id (string), vector (array<float>): one row per user and one per song with a weight."""

    users: DataFrame
    items: DataFrame


def train(weights: DataFrame, params: AlsParams) -> Factors:
    """Fit ALS on user_id, track_id, weight (> 0), one row per user and song.

    The same rows give the same factors, up to float rounding, on every master: ids are
    numbered in their alphabetical order, and rows go to a fixed number of partitions in order.
    """
    indexer = StringIndexer(
        inputCols=["user_id", "track_id"],
        outputCols=["user", "item"],
        stringOrderType="alphabetAsc",
    ).fit(weights)
    # Cached, so that the first of many Spark jobs ends the lineage of the input.
    ratings = (
        indexer.transform(weights)
        .select(F.col("user").cast("int"), F.col("item").cast("int"), "weight")
        .repartition(BLOCKS, "user")
        .sortWithinPartitions("user", "item")
        .cache()
    )
    model = ALS(
        userCol="user",
        itemCol="item",
        ratingCol="weight",
        implicitPrefs=True,
        nonnegative=False,
        rank=params.rank,
        regParam=params.reg,
        alpha=params.alpha,
        maxIter=params.iterations,
        seed=params.seed,
        numUserBlocks=BLOCKS,
        numItemBlocks=BLOCKS,
    ).fit(ratings)
    ratings.unpersist()
    user_ids, item_ids = indexer.labelsArray
    return Factors(_named(model.userFactors, user_ids), _named(model.itemFactors, item_ids))


def _named(factors: DataFrame, labels: list[str]) -> DataFrame:
    names = IndexToString(inputCol="id", outputCol="name", labels=list(labels))
    return names.transform(factors).select(
        F.col("name").alias("id"), F.col("features").alias("vector")
    )


def collect_factors(factors: DataFrame) -> tuple[list[str], NDArray[np.float32]]:
    """Bring factors into the driver: ids, and one row of the matrix for each.

    They travel as Arrow, without a Python object per number: 100,000 songs of 64 factors are
    26 MB here.
    """
    table = factors.select("id", "vector").toArrow()
    numbers = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    rank = len(numbers) // max(1, table.num_rows)
    return table["id"].to_pylist(), numbers.reshape(table.num_rows, rank)
