"""The sliding window of plays that trains a model, and what is counted in it."""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.events import Action

FRESH_DAYS = 7
"""A song is popular for its plays of so many days before the window's end."""


def window_start(as_of: date, days: int) -> date:
    """Return the first day of the window [as_of - days, as_of).

    Examples:
        >>> window_start(date(2015, 1, 5), 90)
        datetime.date(2014, 10, 7)
    """
    return as_of - timedelta(days=days)


def plays_between(logs: DataFrame, start: date, end: date) -> DataFrame:
    """Return user_id, track_id, date and timestamp of the plays of the UTC days [start, end).

    `logs` has the columns of `raw/logs`; one row per play. `end` itself is left out, so that
    a rerun later that day sees the same window.
    """
    in_window = (F.col("date") >= F.lit(start)) & (F.col("date") < F.lit(end))
    is_play = F.col("action") == Action.LISTEN.value
    return logs.where(in_window & is_play).select("user_id", "track_id", "date", "timestamp")


def plays_per_pair(plays: DataFrame, as_of: date, half_life: float = 0) -> DataFrame:
    """Return user_id, track_id, plays (> 0): one row per user and song.

    `plays` is a count (bigint); with a `half_life` in days it is a sum (double) in which a play
    of so many days before `as_of` is a half.
    """
    count = F.count("*")
    if half_life:
        age = F.datediff(F.lit(as_of), "date")
        count = F.sum(F.pow(F.lit(0.5), age / half_life))
    return plays.groupBy("user_id", "track_id").agg(count.alias("plays"))


def fingerprint(plays: DataFrame) -> tuple[int, ...]:
    """Return numbers that tell whether two frames hold the same plays, in whatever order."""
    play = F.xxhash64("user_id", "track_id", "date", "timestamp")
    spread = play.bitwiseAND(F.lit((1 << 40) - 1))
    row = plays.agg(F.count("*"), F.coalesce(F.sum(spread), F.lit(0)), F.bit_xor(play)).first()
    return tuple(int(value or 0) for value in row)


def totals(pairs: DataFrame) -> DataFrame:
    """Return one row: plays, pairs, users and items of the window (bigint)."""
    return pairs.agg(
        F.coalesce(F.sum("plays"), F.lit(0)).alias("plays"),
        F.count("*").alias("pairs"),
        F.countDistinct("user_id").alias("users"),
        F.countDistinct("track_id").alias("items"),
    )


def popular(plays: DataFrame, as_of: date, limit: int, min_listeners: int = 1) -> DataFrame:
    """Return track_id and plays (bigint, of the window), the most popular song first.

    Songs with `min_listeners` in the last week rank by its plays; behind them, so that a quiet
    week is topped up, those with as many in the window, by the plays of the window; and last,
    for data with fewer listeners than that, the others. One listener on repeat makes no song
    popular. The id decides between equals, for the same list every time.
    """
    fresh = F.col("date") >= F.lit(window_start(as_of, FRESH_DAYS))
    songs = plays.groupBy("track_id").agg(
        F.count_if(fresh).alias("fresh"),
        F.count("*").alias("plays"),
        F.countDistinct(F.when(fresh, F.col("user_id"))).alias("fresh_listeners"),
        F.countDistinct("user_id").alias("listeners"),
    )
    is_fresh = F.col("fresh_listeners") >= min_listeners
    rank = (
        F.when(is_fresh, 0).when(F.col("listeners") >= min_listeners, 1).otherwise(2),
        F.desc(F.when(is_fresh, F.col("fresh")).otherwise(0)),
        F.desc("plays"),
        F.col("track_id"),
    )
    return songs.orderBy(*rank).limit(limit).select("track_id", "plays")
