"""How many plays a song had on each day."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.events import Action


def plays_per_day(logs: DataFrame) -> DataFrame:
    """Return track_id, date, plays (long, >= 1): one row per song and UTC day with a play."""
    plays = logs.where(F.col("action") == str(Action.LISTEN))
    return plays.groupBy("track_id", "date").agg(F.count("*").alias("plays"))
