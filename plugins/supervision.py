"""Watch the stream driver, which a process manager owns, and heal what that cannot see.

supervisord starts a driver that died again at once. What is left for Airflow is the driver
that lives and does nothing: its heartbeat in MongoDB grows old.
"""

import asyncio
import time
import xmlrpc.client
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent
from pymongo.errors import PyMongoError

from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.stores.stream_health import StreamHealth

PROGRAM = "stream"
POLL_SECONDS = 5.0
START_SECONDS = 180
RUNNING = {"STARTING", "RUNNING", "BACKOFF"}


class StreamNotHealed(NocturneError):
    """The stream driver does not run and could not be started."""


def supervisor(settings: Settings) -> Any:
    """Return supervisord's interface; None where another process manager owns the driver."""
    if not settings.supervisor_url:
        return None
    return xmlrpc.client.ServerProxy(settings.supervisor_url).supervisor


class EnsureStream(BaseOperator):
    """Start the stream driver unless it runs, and wait for its heartbeat.

    Never starts a second one: supervisord keeps one process per program, and the driver itself
    writes nothing without the lease.
    """

    def execute(self, context: Any) -> str:
        settings = load_settings()
        control = supervisor(settings)
        if control is not None:
            state = control.getProcessInfo(PROGRAM)["statename"]
            self.log.info("the process manager says: %s", state)
            if state not in RUNNING:
                control.startProcess(PROGRAM, False)
        deadline = time.time() + START_SECONDS
        health = StreamHealth(settings)
        while time.time() < deadline:
            beat = health.read()
            if time.time() - beat.get("at", 0.0) < settings.stream_stale_seconds:
                self.log.info("the driver is %s", beat["phase"])
                return str(beat["phase"])
            time.sleep(POLL_SECONDS)
        raise StreamNotHealed(
            f"no heartbeat of the stream driver within {START_SECONDS} s: see its log "
            "and infra/runbooks/stream_supervisor.md"
        )


class WatchStream(BaseOperator):
    """Hold no worker while the driver is well; heal it when its heartbeat is stale.

    Ends in success after `watch_seconds`, and also after it healed: a failed run would sooner
    or later pause the DAG and end all supervision.
    """

    def execute(self, context: Any) -> None:
        settings = load_settings()
        self.defer(
            trigger=StreamTrigger(settings.watch_seconds, settings.stream_stale_seconds),
            method_name="judge",
        )

    def judge(self, context: Any, event: dict[str, Any]) -> str:
        """Act on what the trigger saw and return it, for whoever reads the run."""
        self.log.info("%s", event["said"])
        if event["verdict"] == "stale":
            control = supervisor(load_settings())
            if control is None:
                raise StreamNotHealed(f"{event['said']}; no process manager is set to restart it")
            control.signalProcess(PROGRAM, "KILL")  # reaches a stopped process too
            return f"restarted: {event['said']}"
        return str(event["said"])


class StreamTrigger(BaseTrigger):
    """Fires `stale` when the heartbeat is too old, `well` when the watch is over."""

    def __init__(self, watch_seconds: float, stale_seconds: float) -> None:
        super().__init__()
        self.watch_seconds = watch_seconds
        self.stale_seconds = stale_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "plugins.supervision.StreamTrigger",
            {"watch_seconds": self.watch_seconds, "stale_seconds": self.stale_seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # A trigger that moved to a new triggerer must not condemn a driver for the time in
        # which the whole stack was away: no heartbeat counts as older than this start.
        floor = time.time()
        end = floor + self.watch_seconds
        health = StreamHealth(load_settings())
        while time.time() < end:
            try:
                beat = await asyncio.to_thread(health.read)
            except PyMongoError:
                floor = time.time()  # unknown is not stale
            else:
                age = time.time() - max(beat.get("at", 0.0), floor)
                if age > self.stale_seconds:
                    said = f"no heartbeat for {age:.0f} s, last phase {beat.get('phase')}"
                    yield TriggerEvent({"verdict": "stale", "said": said})
                    return
            await asyncio.sleep(POLL_SECONDS)
        said = f"well for {self.watch_seconds:.0f} s"
        yield TriggerEvent({"verdict": "well", "said": said})
