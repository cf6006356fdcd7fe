"""Give imported events ids that are the same each time the same log is imported."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.contract.events import EVENT
from jobs.contract.fields import names
from jobs.stream.validate import Limits, validate

CONTENT = [name for name in names(EVENT) if name != "event_id"]


def identify(events: DataFrame, limits: Limits) -> DataFrame:
    """Validate imported events, with an `event_id` made for those that came without one.

    `events` is as for `validate`. A made id is the SHA-256 of the event's content and its
    number among identical events, so that identical rows of a log are kept, each under its
    own id. Of events that came with the same id one is kept, as a broker's redelivery.
    """
    content = F.sha2(F.to_json(F.struct(*CONTENT)), 256)
    came = F.trim("event_id") != ""
    draft = events.withColumn("came_with_id", F.coalesce(came, F.lit(False))).withColumn(
        "event_id", F.when(F.col("came_with_id"), F.col("event_id")).otherwise(content)
    )
    same_id = Window.partitionBy("event_id").orderBy(
        F.col("reason").asc_nulls_first(), "timestamp", "user_id", "track_id", "action"
    )
    numbered = validate(draft, limits).withColumn("copy", F.row_number().over(same_id))
    again = (F.col("copy") > 1) & F.col("came_with_id")
    numbered_id = F.sha2(F.concat_ws(":", "event_id", "copy"), 256)
    return numbered.withColumns(
        {
            "reason": F.coalesce("reason", F.when(again, "duplicate_event")),
            "event_id": F.when(F.col("came_with_id"), F.col("event_id")).otherwise(numbered_id),
        }
    ).drop("came_with_id", "copy")
