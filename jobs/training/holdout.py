"""Whom an evaluation asks, and about which songs: the days after the window."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

MIN_TRAIN_SONGS = 5
"""Fewer distinct songs in the window say too little about a listener's taste."""


def judged_users(train: DataFrame, test: DataFrame) -> DataFrame:
    """Return user_id, one row per user with enough train songs and at least one test song.

    `train` and `test` have user_id and track_id, one row per user and song.
    """
    known = train.groupBy("user_id").agg(F.count("*").alias("songs"))
    enough = known.where(F.col("songs") >= MIN_TRAIN_SONGS)
    return enough.join(test, "user_id", "left_semi").select("user_id")


def of_users(rows: DataFrame, users: DataFrame, column: str = "user_id") -> DataFrame:
    """Return the rows whose `column` is one of `users` (user_id)."""
    return rows.join(users.withColumnRenamed("user_id", column), column, "left_semi")


def plays_per_song(pairs: DataFrame) -> DataFrame:
    """Return track_id and plays (bigint): one row per song of the window."""
    return pairs.groupBy("track_id").agg(F.sum("plays").alias("plays"))
