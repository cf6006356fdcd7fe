"""What the stream driver does with one micro-batch; every step of it can be repeated."""

import json
from contextlib import closing
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.events import DUPLICATE, PLACE
from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS
from jobs.contract.settings import Settings
from jobs.stores import lake
from jobs.stores.alerts import Alerts
from jobs.stores.checkpoint import Checkpoint, Plan
from jobs.stores.event_counts import EventCounts
from jobs.stores.events import spark_connection
from jobs.stores.lease import Lease
from jobs.stores.play_counts import PlayCounts
from jobs.stores.stream_health import StreamHealth
from jobs.stream.counts import events_per_hour, plays_per_day
from jobs.stream.parse import parse_messages
from jobs.stream.validate import accepted, refused


class Batches:
    """Writes micro-batches to the lake, then to the play counts.

    A batch is committed to each table under (app id, batch), so that its repetition adds
    nothing, and every play count names the batch that changed it last.
    """

    def __init__(self, settings: Settings, checkpoint: Checkpoint, lease: Lease) -> None:
        self._settings = settings
        self._checkpoint = checkpoint
        self._lease = lease
        self._health = StreamHealth(settings)
        self._counts = PlayCounts(settings)
        self._events = EventCounts(settings)

    def write(self, kept: DataFrame, batch: int) -> None:
        """Write one micro-batch: `kept` has the rows of `drop_repeats`."""
        plan, app_id = self._checkpoint.plan(batch), self._checkpoint.app_id()
        parts = [kept.persist()]
        try:
            rows, refusals, newest = _summary(kept)
            if rows < plan.messages():
                parts.append(self._dropped(kept, plan).persist())
                more, more_refusals, _ = _summary(parts[-1])
                rows, refusals = rows + more, refusals + more_refusals
            events = parts[0] if len(parts) == 1 else parts[0].unionByName(parts[1])
            if rows > refusals:
                self._append(accepted(events), RAW_LOGS, app_id, batch)
            if refusals:
                self._append(refused(events), QUARANTINE_LOGS, app_id, batch)
            self._count(accepted(events), app_id, batch)
        finally:
            for part in parts:
                part.unpersist()
        if rows != plan.messages():
            self._tell_of_holes(batch, plan.messages() - rows)
        if refusals:
            self.note_quarantined(kept.sparkSession)
        if newest is not None:
            self._health.note(last_event_at=newest / 1000)

    def note_quarantined(self, spark: SparkSession) -> None:
        """Write how many rows `quarantine/logs` has."""
        table = lake.read_table(spark, self._settings, QUARANTINE_LOGS)
        self._health.note(quarantined=table.count())  # answered from the table's log

    def _append(self, rows: DataFrame, table: str, app_id: str, batch: int) -> None:
        self._lease.check()
        lake.append_once(rows, lake.url(self._settings, table), app_id, batch)

    def _dropped(self, kept: DataFrame, plan: Plan) -> DataFrame:
        """Return the messages of a batch that `kept` lacks, with their reason."""
        topic = self._settings.kafka_topic

        def offsets(of: dict[int, int]) -> str:
            return json.dumps({topic: {str(p): of.get(p, 0) for p in plan.end}})

        messages = (
            kept.sparkSession.read.format("kafka")
            .options(**spark_connection(self._settings))
            .option("assign", json.dumps({topic: sorted(plan.end)}))
            .option("startingOffsets", offsets(plan.start))
            .option("endingOffsets", offsets(plan.end))
            .load()
        )
        known = F.lit(DUPLICATE if plan.in_time else None).cast("string")
        parsed = parse_messages(messages).withColumn("reason", F.coalesce("reason", known))
        return parsed.join(kept.select(*PLACE), PLACE, "left_anti").select(*kept.columns)

    def _count(self, events: DataFrame, app_id: str, batch: int) -> None:
        now = datetime.now(UTC)
        plays = [(r.track_id, r.date, r.plays) for r in plays_per_day(events).collect()]
        if plays:
            self._counts.add(plays, app_id, batch, now.date())
        hours = [tuple(row) for row in events_per_hour(events).collect()]
        if hours:
            self._events.add(hours, app_id, batch, now)

    def _tell_of_holes(self, batch: int, messages: int) -> None:
        said = f"batch {batch}: Kafka did not give {messages} of its messages"
        with closing(Alerts(self._settings)) as alerts:
            alerts.raise_("offsets_missing", said)


def _summary(events: DataFrame) -> tuple[int, int, int | None]:
    """Return rows, refused rows, and the newest valid timestamp (epoch ms)."""
    valid_at = F.when(F.isnull("reason"), F.col("timestamp"))
    found = events.agg(F.count("*"), F.count("reason"), F.max(valid_at)).first()
    return found[0], found[1], found[2]
