"""Find events that the lake has more than once: their sender sent them again much later."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.contract.events import DUPLICATE, EVENT, QUARANTINE_LOG
from jobs.contract.fields import names
from jobs.stream.validate import utc_day

ROW = ["date", "event_id", "kafka_partition", "kafka_offset", "import_id"]
"""What tells one row of `raw/logs` from every other."""


def later_copies(logs: DataFrame) -> DataFrame:
    """Return every row of `raw/logs` whose `event_id` an earlier row has; the first one stays."""
    again = logs.groupBy("event_id").count().where("count > 1").select("event_id")
    order = Window.partitionBy("event_id").orderBy(
        "received_at", "kafka_partition", "kafka_offset", "import_id"
    )
    copies = logs.join(again, "event_id", "left_semi")
    return copies.withColumn("copy", F.row_number().over(order)).where("copy > 1").drop("copy")


def as_quarantined(copies: DataFrame) -> DataFrame:
    """Return rows of `raw/logs` as rows of `quarantine/logs`, the event as JSON."""
    event = F.to_json(F.struct(*names(EVENT)))
    rows = copies.withColumns(
        {
            "raw": event.cast("binary"),
            "reason": F.lit(DUPLICATE),
            "date": utc_day(F.unix_millis("received_at")),
        }
    )
    return rows.select(*names(QUARANTINE_LOG))
