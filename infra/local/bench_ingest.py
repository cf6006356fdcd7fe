"""`make bench-ingest`: how fast events get into the lake, beside a plain consumer of the topic.

On the running stack, with a topic, a bucket, a database and a driver of its own: events are
sent at full speed, read by a plain consumer, then by the stream; after that they come at a
steady rate. The delay of an event is from the broker's timestamp to the moment in which its
Delta commit is visible. Producer, broker and stream share this machine.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from numpy.typing import NDArray

from infra.local import show, stack
from infra.local.config import administrator, environment, load_local
from infra.local.install import ROOT
from infra.local.memory import PeakMemory
from jobs.contract.errors import NocturneError
from jobs.contract.names import RAW_LOGS
from jobs.contract.settings import Settings, load_settings
from jobs.stores.documents import database
from jobs.stores.events import connection, ensure_topic
from jobs.stores.objects import Objects
from jobs.stores.stream_health import StreamHealth

OWN = "bench-ingest"
REPORTS = ROOT / "reports"
STEADY_RATE = 5_000
MAX_P99_SECONDS = 30.0
DRAIN_SECONDS = 900
SONGS = 11_000
LISTENERS = 5_000


class BenchFailed(NocturneError):
    """Nothing can be measured."""


@dataclass(frozen=True)
class Commit:
    """One commit to raw/logs: when it was visible (epoch s), and its events' broker times."""

    at: float
    received: NDArray[np.float64]


def produce(settings: Settings, count: int, rate: float = 0.0) -> float:
    """Send events of a long-tailed catalogue; return events per second."""
    rng = np.random.default_rng(1)
    songs = (rng.zipf(1.3, count) - 1) % SONGS
    users = rng.integers(0, LISTENERS, count)
    producer = Producer(
        {
            **connection(settings),
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    began = time.monotonic()
    for n, (song, user) in enumerate(zip(songs.tolist(), users.tolist(), strict=True)):
        message = (
            f'{{"event_id":"{uuid4().hex}","play_id":"{uuid4().hex}","user_id":"listener-{user:05d}",'
            f'"track_id":"song-{song:05d}","timestamp":{time.time_ns() // 1_000_000},'
            f'"action":"listen","duration":180,"total_duration":200,"source":"simulation"}}'
        )
        while True:
            try:
                producer.produce(settings.kafka_topic, key=str(user), value=message)
                break
            except BufferError:
                producer.poll(0.1)
        if n % 500 == 0:
            producer.poll(0)
            ahead = n / rate - (time.monotonic() - began) if rate else 0.0
            if ahead > 0:
                time.sleep(ahead)
    if producer.flush(60):
        raise BenchFailed("the broker did not take every event")
    return count / (time.monotonic() - began)


def consume(settings: Settings, count: int) -> float:
    """Read `count` messages of the topic with a plain consumer; return messages per second."""
    options = {
        **connection(settings),
        "group.id": uuid4().hex,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    consumer = Consumer(options)
    consumer.subscribe([settings.kafka_topic])
    first = consumer.poll(30)  # joining the group is not reading
    if first is None:
        raise BenchFailed("the plain consumer got nothing")
    read, began = 1, time.monotonic()
    while read < count:
        read += len(consumer.consume(10_000, timeout=10))
    seconds = time.monotonic() - began
    consumer.close()
    return read / seconds


@contextmanager
def driver(settings: Settings, log: Path) -> Iterator[Callable[[], int]]:
    """Run a stream driver; yields what tells how many messages it has committed."""
    command = [sys.executable, str(ROOT / "jobs/stream_plays.py")]
    own = {f"NOCTURNE_{k.upper()}": str(v) for k, v in overrides(settings).items()}
    with log.open("w") as out, closing(StreamHealth(settings, 30_000)) as health:
        process = subprocess.Popen(
            command, env=os.environ | own, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            yield lambda: sum(health.read().get("offsets", {}).values())
        finally:
            process.terminate()
            process.wait(90)


def overrides(settings: Settings) -> dict[str, str]:
    """Return what the bench has to itself."""
    return {
        "kafka_topic": OWN,
        "lake_bucket": OWN,
        "mongo_db": OWN,
        "checkpoint_dir": f"{settings.checkpoint_dir.removesuffix(OWN).rstrip('/')}/{OWN}",
    }


def drain(committed: Callable[[], int], messages: int, what: str) -> None:
    """Wait until the stream has committed so many messages, and say how far it is."""
    deadline, told = time.monotonic() + DRAIN_SECONDS, 0.0
    while (done := committed()) < messages:
        if time.monotonic() > deadline:
            raise BenchFailed(f"{what}: {done} of {messages} after {DRAIN_SECONDS} s")
        if time.monotonic() - told > 20:
            print(f"  {what}: {done:,} of {messages:,}", flush=True)
            told = time.monotonic()
        time.sleep(1)


def commits(settings: Settings, seen: set[str]) -> list[Commit]:
    """Return the commits to raw/logs that are not in `seen`, in order, and add them to it."""
    objects, bucket = Objects(settings), settings.lake_bucket
    found = []
    for key, at in objects.ages(bucket, f"{RAW_LOGS}/_delta_log/"):
        if not key.endswith(".json") or key in seen:
            continue
        seen.add(key)
        actions = [json.loads(line) for line in objects.get(bucket, key).splitlines()]
        files = [a["add"]["path"] for a in actions if "add" in a]
        received = [_received(objects.get(bucket, f"{RAW_LOGS}/{file}")) for file in files]
        if received:
            found.append(Commit(at, np.concatenate(received)))
    return found


def _received(parquet: bytes) -> NDArray[np.float64]:
    column = pq.read_table(io.BytesIO(parquet), columns=["received_at"])["received_at"]
    micros = column.cast(pa.timestamp("us", "UTC")).cast("int64").to_numpy()
    return micros / 1e6


def rate_of(found: list[Commit]) -> float:
    """Return events per second from the first commit to the last; the first one warms up."""
    rows = sum(len(c.received) for c in found[1:])
    return rows / (found[-1].at - found[0].at)


def files_of_fullest_day(settings: Settings) -> int:
    """Return how many files the day with the most files has."""
    actions = show.files(show.table(settings, RAW_LOGS))
    return max(Counter(str(a["partition.date"]) for a in actions).values())


def run(settings: Settings, minutes: float, events: int, state: Path) -> dict[str, float]:
    """Measure; return the figures by name."""
    log, seen = state / "logs/bench-ingest.log", set[str]()
    figures: dict[str, float] = {}
    print(f"bench-ingest: {events:,} events at full speed", flush=True)
    figures["producer, events/s"] = produce(settings, events)
    figures["plain consumer, events/s"] = consume(settings, events)
    with PeakMemory(state) as memory, driver(settings, log) as committed:
        drain(committed, events, "catching up")
        full = commits(settings, seen)
        figures["stream, events/s into the lake"] = rate_of(full)
        steady = int(STEADY_RATE * 60 * minutes)
        print(f"bench-ingest: {STEADY_RATE:,} events/s for {minutes:g} minutes", flush=True)
        figures["steady producer, events/s"] = produce(settings, steady, STEADY_RATE)
        lag = events + steady - committed()
        drain(committed, events + steady, "the end of the lag")
    found = commits(settings, seen)
    delays = np.concatenate([c.at - c.received for c in found])
    if len(delays) != steady:
        raise BenchFailed(f"{len(delays)} rows of {steady} events came into the lake")
    between = np.diff([c.at for c in found])
    figures |= {
        "lag when the producer ended, events": lag,
        "delay p50, s": float(np.percentile(delays, 50)),
        "delay p99, s": float(np.percentile(delays, 99)),
        "between commits p50, s": float(np.percentile(between, 50)),
        "between commits p99, s": float(np.percentile(between, 99)),
        "peak memory of the stack and the bench, GiB": memory.peak_gib,
        "files of the day before compaction": files_of_fullest_day(settings),
    }
    compact(settings)
    figures["files of the day after compaction"] = files_of_fullest_day(settings)
    cores = os.cpu_count() or 1
    figures["stream, events/s per core"] = figures["stream, events/s into the lake"] / cores
    figures["stream / plain consumer"] = (
        figures["stream, events/s into the lake"] / figures["plain consumer, events/s"]
    )
    return figures


def compact(settings: Settings) -> None:
    """Run the night's compaction on the bench's table, as if today were over."""
    own = {f"NOCTURNE_{k.upper()}": str(v) for k, v in overrides(settings).items()}
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    job = [sys.executable, str(ROOT / "jobs/maintain_lake.py"), "--today", tomorrow]
    command = [*job, "--steps", "compact"]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True)
    if done.returncode:
        raise BenchFailed(f"the compaction failed: {done.stderr[-500:]}")


def clean(settings: Settings) -> None:
    """Remove everything that the bench has to itself."""
    admin = AdminClient(connection(settings))
    if settings.kafka_topic in admin.list_topics(timeout=10).topics:
        admin.delete_topics([settings.kafka_topic])[settings.kafka_topic].result(30)
        time.sleep(3)  # the broker forgets a topic a little later
    objects = Objects(settings)
    objects.ensure_bucket(settings.lake_bucket)
    objects.delete_below(settings.lake_bucket, "")
    db = database(settings, 30_000)
    db.client.drop_database(settings.mongo_db)
    db.client.close()
    shutil.rmtree(settings.checkpoint_dir, ignore_errors=True)


def table(figures: dict[str, float]) -> str:
    """Return the figures as a Markdown table."""
    rows = [f"| {name} | {value:,.2f} |" for name, value in figures.items()]
    return "\n".join(["| measured | |", "|---|---|", *rows]) + "\n"


def main() -> int:
    """Run the bench; 1 where nothing can be measured or the delay is too long."""
    parser = argparse.ArgumentParser(prog="make bench-ingest", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the steady rate (10)")
    parser.add_argument("--events", type=int, default=500_000, help="at full speed (500000)")
    arguments = parser.parse_args()
    try:
        local = stack.remembered(load_local())
        stack.require_running(local)
        # Its bucket is its own, where no other key leads.
        os.environ.update(environment(local) | administrator(local.state))
        whole = load_settings()
        own = load_settings(**overrides(whole))
        clean(own)
        ensure_topic(own)
        try:
            figures = run(own, arguments.minutes, arguments.events, local.state)
        finally:
            clean(own)
    except NocturneError as error:
        print(f"bench-ingest: ERROR: {error}", file=sys.stderr)
        return 1
    about = f"{os.cpu_count()} cores, {arguments.minutes:g} minutes at {STEADY_RATE:,} events/s"
    print(table(figures), end="")
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "ingest.md").write_text(f"{about}\n\n{table(figures)}")
    (REPORTS / "ingest.json").write_text(json.dumps({"about": about} | figures, indent=1) + "\n")
    if figures["delay p99, s"] > MAX_P99_SECONDS:
        print(f"bench-ingest: ERROR: p99 is above {MAX_P99_SECONDS:g} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
