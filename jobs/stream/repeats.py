"""Drop events that a sender sent again, within a horizon that the stream remembers."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def drop_repeats(events: DataFrame, minutes: int) -> DataFrame:
    """Keep one of the valid rows with the same `event_id` that come within `minutes`.

    `events` is a stream of rows of `parse_messages`; rows that are refused stay, all of them,
    and only they keep `raw`. Time is that of the micro-batch, which no sender and no partition
    that lags can set, so that no row is ever late. At least until `minutes` after the first of
    them, and at most for good, the others are dropped.
    """
    valid = F.col("reason").isNull()
    place = F.concat_ws(":", "kafka_partition", "kafka_offset")
    keyed = events.withColumns(
        {
            "seen_at": F.current_timestamp(),
            "key": F.struct(
                valid.alias("valid"), F.when(valid, F.col("event_id")).otherwise(place)
            ),
            "raw": F.when(~valid, F.col("raw")),
        }
    )
    seen = keyed.withWatermark("seen_at", f"{minutes} minutes")
    return seen.dropDuplicatesWithinWatermark(["key"]).drop("seen_at", "key")
