"""The engine `mllib`: Spark's own ALS for implicit feedback."""

from pyspark.ml.feature import IndexToString
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.training.als import AlsParams, Factors, number

BLOCKS = 4
"""Blocks of users and of songs. MLlib draws the first factors block by block, so a number that
followed the master's cores would give every cluster another model."""


def train(weights: DataFrame, params: AlsParams) -> Factors:
    """Fit ALS on user_id, track_id, weight (> 0), one row per user and song.

    The same rows give the same factors, up to float rounding, on every master: ids are
    numbered in their alphabetical order, and rows go to a fixed number of partitions in order.
    """
    numbered = number(weights)
    # Cached, so that the first of many Spark jobs ends the lineage of the input.
    ratings = (
        numbered.frame.repartition(BLOCKS, "user").sortWithinPartitions("user", "item").cache()
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
    users, items = numbered.user_ids, numbered.item_ids
    return Factors(_named(model.userFactors, users), _named(model.itemFactors, items))


def _named(factors: DataFrame, labels: list[str]) -> DataFrame:
    names = IndexToString(inputCol="id", outputCol="name", labels=labels)
    return names.transform(factors).select(
        F.col("name").alias("id"), F.col("features").alias("vector")
    )
