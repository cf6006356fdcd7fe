"""Give imported events ids that are the same each time the same log is imported."""

from datetime import datetime

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.contract.events import EVENT
from jobs.contract.fields import names
from jobs.stream.validate import IMPORT, validate

CONTENT = [name for name in names(EVENT) if name != "event_id"]


def imported(candidates: DataFrame, import_id: str, received_at: datetime) -> DataFrame:
    """Return the validated rows of one import, as `validate` does.

    `candidates` are as in jobs/stream/formats.py; `received_at` knows its zone. An event that
    came without `event_id` gets one. It is the SHA-256 of the event's content and its
    number among identical events, so that identical rows of a log are kept, each under its
    own id. Of events that came with the same id one is kept, as a broker's redelivery.
    """
    content = F.sha2(F.to_json(F.struct(*CONTENT)), 256)
    came = F.trim("event_id") != ""
    arrived = {
        "received_at": F.timestamp_micros(F.lit(int(received_at.timestamp() * 1_000_000))),
        "kafka_partition": F.lit(None).cast("int"),
        "kafka_offset": F.lit(None).cast("bigint"),
        "import_id": F.lit(import_id),
    }
    draft = (
        candidates.withColumns(arrived)
        .withColumn("came_with_id", F.coalesce(came, F.lit(False)))
        .withColumn("event_id", F.when(F.col("came_with_id"), F.col("event_id")).otherwise(content))
    )
    same_id = Window.partitionBy("event_id").orderBy(
        F.col("reason").asc_nulls_first(), "timestamp", "user_id", "track_id", "action"
    )
    numbered = validate(draft, IMPORT).withColumn("copy", F.row_number().over(same_id))
    again = (F.col("copy") > 1) & F.col("came_with_id")
    numbered_id = F.sha2(F.concat_ws(":", "event_id", "copy"), 256)
    return numbered.withColumns(
        {
            "reason": F.coalesce("reason", F.when(again, "duplicate_event")),
            "event_id": F.when(F.col("came_with_id"), F.col("event_id")).otherwise(numbered_id),
        }
    ).drop("came_with_id", "copy")
