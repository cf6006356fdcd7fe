"""What the faults do to a running stack, and how its lake is compared with what was sent."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pyarrow.compute as pc
from confluent_kafka import Producer
from pymongo.database import Database
from pymongo.errors import PyMongoError

from infra.local.install import ROOT
from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.alerts import Alerts
from jobs.stores.documents import Document, database
from jobs.stores.events import BrokerUnavailable, connection, topic_bounds
from jobs.stores.stream_health import StreamHealth, unread
from tests.integration.lake import quarantine, raw_logs
from tests.integration.stack import Stack

SONGS = 200
ENDLESS = 10**9
STREAM = "stream"


class Failed(AssertionError):
    """A fault had an effect that it must not have."""


class Rig:
    """One running stack under attack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.settings: Settings = stack.settings
        self.db: Database[Document] = database(self.settings, 30_000)
        self.health = StreamHealth(self.settings, 30_000)
        self.alerts = Alerts(self.settings, 30_000)
        self.supervisor: Any = xmlrpc.client.ServerProxy(self.settings.supervisor_url).supervisor

    def close(self) -> None:
        """End the connections."""
        self.db.client.close()
        self.health.close()
        self.alerts.close()

    def ensure_songs(self) -> None:
        """Make the songs whose plays are counted."""
        for i in range(SONGS):
            new = {"$setOnInsert": {"plays_7d": 0, "plays_cumulative": 0, "title": f"Song {i}"}}
            self.db[names.SONGS].update_one({"_id": song(i)}, new, upsert=True)

    # What the stack says.

    def phase(self) -> str:
        """Return the phase of the driver."""
        return str(self.health.read().get("phase"))

    def pid(self) -> int:
        """Return the driver's process as supervisord knows it; 0 when there is none."""
        return int(self.supervisor.getProcessInfo(STREAM)["pid"])

    def lag(self) -> int:
        """Return how many messages the driver has not committed yet."""
        return sum(unread(self.health.read(), topic_bounds(self.settings)).values())

    def wait(self, condition: Callable[[], object], seconds: float, what: str) -> float:
        """Wait for a condition; return the seconds that it took; raise Failed past the limit."""
        began = time.monotonic()
        while True:
            try:
                if condition():
                    return time.monotonic() - began
            except (OSError, xmlrpc.client.Error, BrokerUnavailable, PyMongoError):
                pass  # what was asked is away, too
            if time.monotonic() - began > seconds:
                raise Failed(f"no {what} within {seconds:.0f} s; the driver says {self.describe()}")
            time.sleep(0.5)

    def describe(self) -> dict[str, Any]:
        """Return what the driver's document says, for a failure."""
        wanted = ("phase", "batch", "lag", "error", "holds", "starts")
        return {name: self.health.read().get(name) for name in wanted}

    def wait_running(self, seconds: float = 180) -> float:
        """Wait until the driver runs and is alive."""
        return self.wait(
            lambda: self.phase() == "running" and time.time() - self.health.read()["at"] < 5,
            seconds,
            "running driver",
        )

    def wait_drained(self, seconds: float = 400) -> float:
        """Wait until the driver has committed everything in Kafka."""
        return self.wait(
            lambda: self.phase() in ("running", "halted") and self.lag() == 0, seconds, "end of lag"
        )

    # What is done to it.

    def kill(self, program: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a program's own process."""
        os.kill(int(self.supervisor.getProcessInfo(program)["pid"]), number)

    @contextmanager
    def away(self, program: str, seconds: float) -> Iterator[None]:
        """Stop a program for a while; what is done meanwhile is done while it is away."""
        began = time.monotonic()
        self.supervisor.stopProcess(program)
        try:
            yield
            time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        finally:
            self.supervisor.startProcess(program, False)

    @contextmanager
    def unsupervised(self) -> Iterator[None]:
        """Keep Airflow from starting the driver, whose process is stopped meanwhile."""
        airflow, dag = self.stack.airflow(), "dags/stream_supervisor"
        airflow.call("PATCH", dag, json={"is_paused": True})
        self.end_runs()
        if self.pid():
            self.supervisor.stopProcess(STREAM)
        try:
            yield
        finally:
            if not self.pid():
                self.supervisor.startProcess(STREAM, False)
            airflow.call("PATCH", dag, json={"is_paused": False})
            self.wait_running()

    def end_runs(self) -> list[str]:
        """Mark what runs of stream_supervisor as failed; return the runs."""
        airflow, dag = self.stack.airflow(), "dags/stream_supervisor"
        runs = airflow.call("GET", f"{dag}/dagRuns?order_by=-start_date&limit=5")["dag_runs"]
        going = [run["dag_run_id"] for run in runs if run["state"] in ("running", "queued")]
        for run in going:
            airflow.call("PATCH", f"{dag}/dagRuns/{run}", json={"state": "failed"})
        return going

    def driver(self, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a driver by hand; `command` replaces `jobs/stream_plays.py`."""
        return subprocess.Popen(
            [sys.executable, *(command or ("jobs/stream_plays.py",))],
            cwd=ROOT,
            env=self.stack.env | env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def autorestart(self, wanted: bool) -> None:
        """Let supervisord restart a driver that dies, or not."""
        path = self.stack.local.state / "supervisord.conf"
        head, section, rest = path.read_text().partition(f"[program:{STREAM}]")
        old, new = ("false", "true") if wanted else ("true", "false")
        changed = rest.replace(f"autorestart = {old}", f"autorestart = {new}", 1)
        path.write_text(head + section + changed)
        self.supervisor.reloadConfig()
        self.supervisor.stopProcessGroup(STREAM)
        self.supervisor.removeProcessGroup(STREAM)
        self.supervisor.addProcessGroup(STREAM)
        self.wait_running()

    # What must hold.

    def check_once(self, sent: list[str], prefix: str, at_most: list[str] | None = None) -> str:
        """Compare the lake with the ids that were acknowledged, row by row, without a distinct.

        `at_most` are ids whose sender got no acknowledgement: they may be there, once.
        """
        rows = raw_logs(self.settings, columns=["event_id"])["event_id"]
        held = Counter(rows.filter(pc.starts_with(rows, prefix)).to_pylist())
        lost = [i for i in sent if held[i] == 0]
        doubled = [i for i, n in held.items() if n > 1]
        strange = held.keys() - set(sent) - set(at_most or ())
        if lost or doubled or strange:
            raise Failed(f"{len(lost)} lost, {len(doubled)} doubled, {len(strange)} strange")
        return f"{len(sent):,} sent, {sum(held.values()):,} rows, 0 lost, 0 doubled"

    def check_counts(self) -> str:
        """Compare each song's count with the plays in the lake."""
        logs = raw_logs(self.settings, columns=["track_id", "action"])
        tracks = logs.filter(pc.equal(logs["action"], "listen"))["track_id"].to_pylist()
        plays = Counter(t for t in tracks if t in {song(i) for i in range(SONGS)})
        found = {d["_id"]: d["plays_cumulative"] for d in self.db[names.SONGS].find()}
        wrong = [i for i in range(SONGS) if found[song(i)] != plays[song(i)]]
        if wrong:
            first = song(wrong[0])
            raise Failed(
                f"{len(wrong)} songs counted wrongly: {first} {found[first]}, not {plays[first]}"
            )
        return f"counts of {SONGS} songs = the lake's {sum(plays.values()):,} plays"

    def wait_counts(self, seconds: float = 60) -> str:
        """Wait until the counts are right; return the sentence of check_counts."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.check_counts()
            except Failed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def quarantined(self, *columns: str) -> list[dict[str, Any]]:
        """Return the rows of quarantine/logs."""
        return quarantine(self.settings, columns=list(columns) or None).to_pylist()

    def verify_lake(self) -> str:
        """Run verify_lake; return its last sentence."""
        lines = self.stack.done("verify_lake").splitlines()
        return next(line for line in lines if line.startswith("every offset once"))


def song(number: int) -> str:
    """Return a song's id."""
    return f"fault-song-{number:03d}"


def event(event_id: str, number: int, **changes: Any) -> bytes:
    """Return the JSON of a valid event."""
    fields = {
        "event_id": event_id,
        "user_id": f"fault-user-{number % 500:03d}",
        "track_id": song(number % SONGS),
        "timestamp": int(time.time() * 1000),
        "action": "listen" if number % 3 else "complete",
        "duration": 120,
        "total_duration": 200,
        "source": "simulation",
    }
    return json.dumps(fields | changes).encode()


class Sender:
    """Sends events; knows which ones the broker acknowledged. `prefix` begins every id."""

    def __init__(self, settings: Settings, patience_s: float = 300) -> None:
        self.prefix = f"{uuid4().hex[:8]}-"
        self.acknowledged: list[str] = []
        self.unacknowledged: list[str] = []
        self._topic = settings.kafka_topic
        self._number = 0
        self._stop = threading.Event()
        self._producer = Producer(
            {
                **connection(settings),
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 2_000_000,
                "message.max.bytes": 10_900_000,
                "delivery.timeout.ms": int(patience_s * 1000),
                "log_level": 0,
            }
        )

    def send(self, count: int, rate: float = 0.0, **changes: Any) -> "Sender":
        """Send so many events, at a rate or as fast as possible, and wait for the broker."""
        began = time.monotonic()
        for n in range(count):
            if self._stop.is_set():
                break
            self.one(**changes)
            ahead = n / rate - (time.monotonic() - began) if rate else 0.0
            if ahead > 0.02:
                time.sleep(ahead)
        self.flush()
        return self

    def one(self, **changes: Any) -> str:
        """Send one event; return its id."""
        event_id = f"{self.prefix}{self._number}"
        self.raw(event(event_id, self._number, **changes), event_id)
        self._number += 1
        return event_id

    def raw(self, message: bytes, event_id: str | None = None) -> None:
        """Send any bytes; `event_id` is noted when the broker has them."""

        def delivered(error: object, _: object) -> None:
            if event_id is not None:
                (self.unacknowledged if error else self.acknowledged).append(event_id)

        while True:
            try:
                self._producer.produce(
                    self._topic, key=str(self._number % 500), value=message, on_delivery=delivered
                )
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait for the broker."""
        left = self._producer.flush(400)
        if left:
            raise Failed(f"{left} events were neither acknowledged nor refused")

    @contextmanager
    def in_background(self, count: int, rate: float) -> Iterator["Sender"]:
        """Send at a rate beside what is done inside, and at its end what is missing to `count`."""
        thread = threading.Thread(target=self.send, args=(ENDLESS, rate), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()
            self._stop.clear()
        self.send(max(0, count - self._number))
