"""How many plays a song had on each day, and how many events of each kind an hour."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.events import ORIGINS, Action
from jobs.contract.generations import ID_PATTERN

HOUR_MS = 3_600_000


def plays_per_day(logs: DataFrame) -> DataFrame:
    """Return track_id, date, plays (long, >= 1): one row per song and UTC day with a play."""
    plays = logs.where(F.col("action") == str(Action.LISTEN))
    return plays.groupBy("track_id", "date").agg(F.count("*").alias("plays"))


def events_per_hour(logs: DataFrame) -> DataFrame:
    """Return hour, action, origin, generation, events (long, >= 1): one row per kind.

    `hour` is in whole hours since the epoch, UTC. An origin that is none of our player's is
    `other`, and a generation that is none is null.
    """
    hour = F.floor(F.col("timestamp") / HOUR_MS)
    origin = F.when(F.col("origin").isin(*ORIGINS), F.col("origin")).otherwise("other")
    generation = F.when(F.col("generation").rlike(f"^{ID_PATTERN}$"), F.col("generation"))
    return logs.groupBy(
        hour.alias("hour"), "action", origin.alias("origin"), generation.alias("generation")
    ).agg(F.count("*").alias("events"))
