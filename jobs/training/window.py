"""The sliding window of plays that trains a model, and what is counted in it."""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.events import Action

FRESH_DAYS = 7
"""A song is popular for its plays of so many days before the window's end."""


def window_start(as_of: date, days: int) -> date:
    """Return the first day of the window [as_of - days, as_of)."""
    return as_of - timedelta(days=days)


def plays_between(logs: DataFrame, start: date, end: date) -> DataFrame:
    """Return user_id, track_id and date of the plays of the UTC days [start, end).

    `logs` has the columns of `raw/logs`; one row per play. `end` itself is left out, so that
    a rerun later that day sees the same window.
    """
    in_window = (F.col("date") >= F.lit(start)) & (F.col("date") < F.lit(end))
    is_play = F.col("action") == Action.LISTEN.value
    return logs.where(in_window & is_play).select("user_id", "track_id", "date")


def plays_per_pair(plays: DataFrame) -> DataFrame:
    """Return user_id, track_id, plays (bigint, > 0): one row per user and song."""
    return plays.groupBy("user_id", "track_id").agg(F.count("*").alias("plays"))


def totals(pairs: DataFrame) -> DataFrame:
    """Return one row: plays, pairs, users and items of the window (bigint)."""
    return pairs.agg(
        F.coalesce(F.sum("plays"), F.lit(0)).alias("plays"),
        F.count("*").alias("pairs"),
        F.countDistinct("user_id").alias("users"),
        F.countDistinct("track_id").alias("items"),
    )


def popular(plays: DataFrame, as_of: date, limit: int) -> DataFrame:
    """Return track_id and plays (bigint, of the window), the most popular song first.

    Songs rank by their plays of the last week, then by those of the whole window, so that a
    quiet week is topped up. The id decides between equals, for the same list every time.
    """
    fresh = F.col("date") >= F.lit(window_start(as_of, FRESH_DAYS))
    return (
        plays.groupBy("track_id")
        .agg(F.count_if(fresh).alias("fresh"), F.count("*").alias("plays"))
        .orderBy(F.desc("fresh"), F.desc("plays"), "track_id")
        .limit(limit)
        .select("track_id", "plays")
    )
