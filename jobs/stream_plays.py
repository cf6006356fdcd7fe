"""The stream driver: Kafka -> raw/logs, quarantine/logs and fresh play counts.

Runs until SIGTERM. It holds the `lake_writer` lease while it writes; where another writer, the
maintenance or an operator holds the stream, the query stops between two micro-batches and
starts again afterwards, from its checkpoint. Without a checkpoint it begins behind what the
lake holds. When Kafka dropped messages that were not read yet, it halts and says so: nothing
is skipped until `accept_gap.py` was run.
"""

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo.errors import PyMongoError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQuery

from jobs.contract.errors import NocturneError, OffsetsLost
from jobs.contract.names import RAW_LOGS, STREAM_QUERY
from jobs.contract.settings import Settings, load_settings
from jobs.recount import recount
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.alerts import Alerts
from jobs.stores.checkpoint import Checkpoint, Offsets
from jobs.stores.events import spark_connection, topic_bounds
from jobs.stores.holds import Holds
from jobs.stores.lease import Lease
from jobs.stores.stream_health import StreamHealth
from jobs.stream.parse import parse_messages
from jobs.stream.repeats import drop_repeats
from jobs.stream_batches import Batches
from jobs.stream_listener import HealthListener

BEAT_SECONDS = 1.0
STOP_PATIENCE_SECONDS = 30
RESTART_SECONDS = 5.0
HALT_SECONDS = 15.0
STANDBY_SECONDS = 5.0
LOOK_SECONDS = 15.0
LEASE_MARGIN_SECONDS = 5.0
ROLE = "stream"
STATE_STORE = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"


def begin(spark: SparkSession, settings: Settings, checkpoint: Checkpoint) -> Offsets:
    """Return where the query begins in each partition, after making sure that it can.

    A checkpoint that is behind what its batches committed was damaged, and is left for the
    offsets in the lake. Raises OffsetsLost where Kafka no longer has what comes next.
    """
    if checkpoint.exists():
        committed = lake.committed_version(spark, lake.url(settings, RAW_LOGS), checkpoint.app_id())
        if committed > checkpoint.next_batch():
            print("stream: the checkpoint was damaged, going on from the lake", flush=True)
            checkpoint.discard()
    if checkpoint.exists():
        position = checkpoint.position()
    else:
        checkpoint.discard()
        position = {p: o + 1 for p, o in lake.highest_offsets(spark, settings).items()}
        if position:  # what the last checkpoint had in the lake and not yet in the counts
            print(f"stream: counts {recount(spark, settings, datetime.now(UTC).date())}")
    bounds = topic_bounds(settings)
    refuse_gaps(settings.kafka_topic, position, bounds)
    return {p: position.get(p, oldest) for p, (oldest, _) in bounds.items()}


def refuse_gaps(topic: str, position: Offsets, bounds: dict[int, tuple[int, int]]) -> None:
    """Raise OffsetsLost unless the topic still has every offset from `position` on."""
    for partition, offset in sorted(position.items()):
        oldest, end = bounds.get(partition, (0, 0))
        if offset < oldest:
            raise OffsetsLost(
                f"OFFSETS LOST: Kafka dropped offsets {offset} to {oldest - 1} of {topic}, "
                f"partition {partition}, before they were read (retention)"
            )
        if offset > end:
            raise OffsetsLost(
                f"OFFSETS LOST: the lake has {topic}, partition {partition}, up to offset "
                f"{offset - 1}, but Kafka ends at {end - 1}: the topic was made anew"
            )


def start_query(
    spark: SparkSession, settings: Settings, checkpoint: Checkpoint, batches: Batches, at: Offsets
) -> StreamingQuery:
    """Start the query where its checkpoint says, or, without one, at the offsets `at`."""
    start = {settings.kafka_topic: {str(p): offset for p, offset in at.items()}}
    messages = (
        spark.readStream.format("kafka")
        .options(**spark_connection(settings))
        .option("subscribe", settings.kafka_topic)
        .option("startingOffsets", json.dumps(start))
        .option("maxOffsetsPerTrigger", settings.stream_max_offsets)
        .load()
    )
    events = drop_repeats(parse_messages(messages), settings.stream_dedup_minutes)
    return (
        events.writeStream.queryName(STREAM_QUERY)
        .option("checkpointLocation", f"file://{checkpoint.folder}")
        .trigger(processingTime=f"{settings.stream_trigger_seconds} seconds")
        .foreachBatch(batches.write)
        .start()
    )


def stream_session(settings: Settings) -> SparkSession:
    """Return the driver's session: what its checkpoint fixes, and a state store on disk."""
    spark = spark_session(settings, STREAM_QUERY)
    spark.conf.set("spark.sql.shuffle.partitions", str(settings.stream_shuffle_partitions))
    spark.conf.set("spark.sql.streaming.stateStore.providerClass", STATE_STORE)
    changelog = "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled"
    spark.conf.set(changelog, "true")
    # A batch without data would only move the watermark on.
    spark.conf.set("spark.sql.streaming.noDataMicroBatches.enabled", "false")
    return spark


@dataclass(frozen=True)
class Refusal:
    """Why the driver may not write now: the phase to show, and who holds it."""

    phase: str
    holds: list[str]


class Driver:
    """Runs the query whenever it may, and says how it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._health = StreamHealth(settings)
        self._holds = Holds(settings)
        self._alerts = Alerts(settings)
        self._lease = Lease(settings, ROLE)
        self._checkpoint = Checkpoint(settings)
        self._batches = Batches(settings, self._checkpoint, self._lease)
        self._stopping = False
        self._started_at = time.time()
        self._look_at = 0.0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def stop(self) -> None:
        """End the driver after the micro-batch that is under way."""
        self._stopping = True

    def run(self) -> None:
        """Run until stopped; a query that fails is started again from its checkpoint."""
        if not self._is_rival():
            self._health.start()
        spark = stream_session(self._settings)
        spark.streams.addListener(HealthListener(self._settings))
        while not self._stopping:
            refusal = self._refusal()
            if refusal is not None:
                self._wait(refusal)
                continue
            try:
                self._run_query(spark)
            except OffsetsLost as error:
                self._halt(str(error))
            except (PySparkException, NocturneError) as error:
                print(f"stream: the query failed, starting again: {error}", flush=True)
                self._health.beat("failed", error=str(error)[:500])
                self._sleep(RESTART_SECONDS)
        spark.stop()
        if self._lease.held_until:
            self._lease.release()
            self._health.beat("stopped")

    def _refusal(self) -> Refusal | None:
        try:
            if holds := self._holds.active():
                return Refusal("held", [f"{h['_id']}: {h['reason']}" for h in holds])
            if not self._lease.acquire():
                return Refusal("paused", [f"{self._lease.other_holder()} writes the lake"])
        except PyMongoError as error:
            if time.time() < self._lease.held_until - LEASE_MARGIN_SECONDS:
                return None  # nobody else can have taken it yet
            print(f"stream: the lease cannot be read: {error}", flush=True)
            return Refusal("paused", ["MongoDB is away"])
        return None

    def _wait(self, refusal: Refusal) -> None:
        if self._is_rival():
            said = f"a second stream driver waits as process {os.getpid()}: stop one of the two"
            print(f"stream: {said}", flush=True)
            self._health.standby()
            self._raise("two_drivers", said)
            self._sleep(STANDBY_SECONDS)
            return
        if self._lease.held_until:
            self._lease.release()
        self._health.beat(refusal.phase, holds=refusal.holds)
        self._sleep(BEAT_SECONDS)

    def _is_rival(self) -> bool:
        try:
            return (self._lease.other_living_holder() or "").startswith(ROLE)
        except PyMongoError:
            return False

    def _halt(self, said: str) -> None:
        print(f"stream: {said}; infra/runbooks/stream_supervisor.md says what to do", flush=True)
        self._raise("offsets_lost", said)
        deadline = time.monotonic() + HALT_SECONDS
        while not self._stopping and time.monotonic() < deadline and self._refusal() is None:
            self._health.beat("halted", error=said, progress_at=time.time())
            time.sleep(BEAT_SECONDS)

    def _run_query(self, spark: SparkSession) -> None:
        settings, checkpoint = self._settings, self._checkpoint
        lake.ensure_log_tables(spark, settings)
        start = begin(spark, settings, checkpoint)
        self._health.note(offsets={str(p): offset for p, offset in start.items()})
        self._clear("offsets_lost")
        self._attend(start_query(spark, settings, checkpoint, self._batches, start))

    def _attend(self, query: StreamingQuery) -> None:
        app_id = refusal = None
        while query.isActive and not self._stopping and refusal is None:
            app_id = app_id or (self._checkpoint.app_id() if self._checkpoint.exists() else None)
            self._health.beat("running", app_id=app_id, error=None, holds=[])
            self._watch_the_watch()
            query.awaitTermination(BEAT_SECONDS)
            refusal = self._refusal()
        failure = query.exception()
        if failure is not None:
            raise failure
        patience = time.monotonic() + STOP_PATIENCE_SECONDS
        while query.status["isTriggerActive"] and time.monotonic() < patience:
            time.sleep(0.1)
        query.stop()

    def _watch_the_watch(self) -> None:
        """Raise an alert when the supervision, once there, looks no more: nobody else would."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        try:
            watched_at = self._health.supervision().get("watched_at")
        except PyMongoError:
            return
        if watched_at is None:
            return
        silent = time.time() - max(watched_at, self._started_at)
        if silent > self._settings.stream_unwatched_seconds:
            self._raise(
                "unsupervised",
                f"nobody watched the stream for {silent:.0f} s: is the DAG stream_supervisor "
                "paused, or Airflow's triggerer away?",
            )
        else:
            self._clear("unsupervised")

    def _raise(self, alert: str, said: str) -> None:
        try:
            self._alerts.raise_(alert, said)
        except PyMongoError as error:
            print(f"stream: the alert {alert} was not written: {error}", flush=True)

    def _clear(self, alert: str) -> None:
        try:
            self._alerts.clear(alert)
        except PyMongoError as error:
            print(f"stream: the alert {alert} was not cleared: {error}", flush=True)

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < deadline:
            time.sleep(0.1)


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
