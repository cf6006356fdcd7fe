"""The stream driver: Kafka -> raw/logs, quarantine/logs and fresh play counts.

Runs until SIGTERM. A micro-batch is written to the lake under (app id, batch id), so that its
repetition after a crash adds nothing, and each play count names the batch that changed it
last. The driver holds the `lake_writer` lease while it writes; when another writer asks for
the lease, the query stops between two micro-batches and starts again afterwards.
"""

import argparse
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pymongo.errors import PyMongoError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQuery

from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS, STREAM_QUERY
from jobs.contract.settings import Settings, load_settings
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.lease import Lease
from jobs.stores.play_counts import PlayCounts
from jobs.stores.stream_health import StreamHealth
from jobs.stream.counts import plays_per_day
from jobs.stream.parse import parse_messages
from jobs.stream.validate import accepted, refused

BEAT_SECONDS = 1.0
STOP_PATIENCE_SECONDS = 30
RESTART_SECONDS = 5.0


class Batches:
    """Writes micro-batches; `last` is the newest one that is whole, in lake and counts."""

    def __init__(self, settings: Settings, app_id: str, lease: Lease) -> None:
        self._raw = lake.url(settings, RAW_LOGS)
        self._quarantine = lake.url(settings, QUARANTINE_LOGS)
        self._app_id = app_id
        self._lease = lease
        self._counts = PlayCounts(settings)
        self.last = -1
        self.rows = 0

    def write(self, messages: DataFrame, batch: int) -> None:
        """Write one micro-batch; every step can be repeated."""
        self._lease.check()
        events = parse_messages(messages).persist()
        try:
            by_validity = events.groupBy(F.isnull("reason").alias("valid")).count().collect()
            rows = {row["valid"]: row["count"] for row in by_validity}
            if rows.get(True):
                lake.append_once(accepted(events), self._raw, self._app_id, batch)
            if rows.get(False):
                lake.append_once(refused(events), self._quarantine, self._app_id, batch)
            self._count(accepted(events), batch)
        finally:
            events.unpersist()
        self.last, self.rows = batch, self.rows + sum(rows.values())

    def _count(self, events: DataFrame, batch: int) -> None:
        plays = [(r.track_id, r.date, r.plays) for r in plays_per_day(events).collect()]
        if not plays:
            return
        tracks = self._counts.add(plays, self._app_id, batch)
        self._counts.refresh_songs(datetime.now(UTC).date(), tracks)


def stream_app_id(checkpoint: Path) -> str:
    """Return the id under which this checkpoint's batches are committed; new with the folder."""
    path = checkpoint / "app_id"
    if not path.exists():
        checkpoint.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{STREAM_QUERY}:{uuid4().hex}")
    return path.read_text()


def starting_offsets(spark: SparkSession, settings: Settings) -> str:
    """Return where a new checkpoint begins: behind what the lake holds, else at the oldest."""
    in_lake = lake.highest_offsets(spark, settings)
    if not in_lake:
        return "earliest"
    oldest = -2
    partitions = range(max(settings.kafka_partitions, max(in_lake) + 1))
    offsets = {str(p): in_lake[p] + 1 if p in in_lake else oldest for p in partitions}
    return json.dumps({settings.kafka_topic: offsets})


def start_query(spark: SparkSession, settings: Settings, batches: Batches) -> StreamingQuery:
    """Start the query where its checkpoint, or else the lake, says."""
    checkpoint = Path(settings.checkpoint_dir) / STREAM_QUERY
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka_bootstrap)
        .option("subscribe", settings.kafka_topic)
        .option("startingOffsets", starting_offsets(spark, settings))
        .option("maxOffsetsPerTrigger", settings.stream_max_offsets)
        .load()
    )
    return (
        messages.writeStream.queryName(STREAM_QUERY)
        .option("checkpointLocation", f"file://{(checkpoint / 'query').resolve()}")
        .trigger(processingTime=f"{settings.stream_trigger_seconds} seconds")
        .foreachBatch(batches.write)
        .start()
    )


class Driver:
    """Runs the query whenever it may, and says how it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._health = StreamHealth(settings)
        self._lease = Lease(settings, "stream")
        self._stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def stop(self) -> None:
        """End the driver after the micro-batch that is under way."""
        self._stopping = True

    def run(self) -> None:
        """Run until stopped; a query that fails is started again from its checkpoint."""
        self._health.beat("starting")
        spark = spark_session(self._settings, STREAM_QUERY)
        app_id = stream_app_id(Path(self._settings.checkpoint_dir) / STREAM_QUERY)
        batches = Batches(self._settings, app_id, self._lease)
        while not self._stopping:
            if not self._may_write():
                self._health.beat("paused", app_id=app_id)
                time.sleep(BEAT_SECONDS)
                continue
            try:
                lake.ensure_log_tables(spark, self._settings)
                self._run_query(start_query(spark, self._settings, batches), batches, app_id)
            except PySparkException as error:
                print(f"stream: the query failed, starting again: {error}", flush=True)
                self._health.beat("failed", error=str(error)[:500])
                time.sleep(RESTART_SECONDS)
        spark.stop()
        self._lease.release()
        self._health.beat("stopped")

    def _may_write(self) -> bool:
        try:
            return self._lease.wanted_by_another() is None and self._lease.acquire()
        except PyMongoError as error:
            print(f"stream: the lease cannot be read: {error}", flush=True)
            return False

    def _run_query(self, query: StreamingQuery, batches: Batches, app_id: str) -> None:
        while query.isActive and not self._stopping and self._may_write():
            self._health.beat("running", app_id=app_id, batch=batches.last, rows=batches.rows)
            query.awaitTermination(BEAT_SECONDS)
        failure = query.exception()
        if failure is not None:
            raise failure
        patience = time.monotonic() + STOP_PATIENCE_SECONDS
        while query.status["isTriggerActive"] and time.monotonic() < patience:
            time.sleep(0.1)
        query.stop()
        if not self._stopping:
            self._lease.release()


def main(argv: list[str] | None = None) -> int:
    """Run the driver until SIGTERM."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(argv)
    Driver(load_settings()).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
