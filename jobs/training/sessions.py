"""Which plays belong together: the sessions of each listener."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.contract.events import SESSION_GAP_SECONDS


def in_sessions(plays: DataFrame) -> DataFrame:
    """Add `session` (string) and `place` (int, from 0) to the plays, one row per play.

    `plays` has user_id, track_id and timestamp (epoch milliseconds). A session is the plays of
    one listener with gaps under 30 minutes; its key, listener and first millisecond, is unique
    among all listeners. Plays of the same millisecond stand in the order of their track ids, so
    that the same plays have the same places, however they are read.
    """
    in_order = Window.partitionBy("user_id").orderBy("timestamp", "track_id")
    so_far = in_order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    gap = F.col("timestamp") - F.lag("timestamp").over(in_order)
    begins = F.coalesce(gap >= SESSION_GAP_SECONDS * 1000, F.lit(True))
    numbered = plays.select(
        "*", F.row_number().over(in_order).alias("_number"), begins.alias("_begins")
    )
    start = F.max(F.when(F.col("_begins"), F.col("timestamp"))).over(so_far)
    first = F.max(F.when(F.col("_begins"), F.col("_number"))).over(so_far)
    return numbered.select(
        *plays.columns,
        F.concat_ws(" ", "user_id", start).alias("session"),
        (F.col("_number") - first).alias("place"),
    )
