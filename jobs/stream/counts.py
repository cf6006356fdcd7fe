"""How many plays a song had on each day."""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.events import Action

WEEK_DAYS = 7


def plays_per_day(logs: DataFrame) -> DataFrame:
    """Return track_id, date, plays (long, >= 1): one row per song and UTC day with a play."""
    plays = logs.where(F.col("action") == str(Action.LISTEN))
    return plays.groupBy("track_id", "date").agg(F.count("*").alias("plays"))


def week_start(today: date) -> date:
    """Return the first of the seven days that `plays_7d` counts; `today` is the last."""
    return today - timedelta(days=WEEK_DAYS - 1)
