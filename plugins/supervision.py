"""Watch the stream driver, which a process manager owns, and heal what that cannot see.

supervisord starts a driver that died again at once. What is left for Airflow is the driver
that supervisord gave up, or that lives and does nothing. It is restarted with a growing pause
and a person is told; a driver that is well is never touched, whatever happens to a run.
"""

import asyncio
import time
import xmlrpc.client
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.stores.alerts import Alerts
from jobs.stores.holds import Holds
from jobs.stores.stream_health import StreamHealth
from plugins.watch import PROGRAM, Watch, process_state, supervisor
from plugins.watching import STOPPED, back_off

POLL_SECONDS = 5.0
ENSURE_SECONDS = 180
ALREADY_STARTED = 60
"""Fault code of supervisord's XML-RPC."""
OPERATOR = "operator"
"""The hold of a person who stopped the stream on purpose."""


class StreamNotHealed(NocturneError):
    """The stream driver does not run and could not be started."""


def restart(settings: Settings) -> bool:
    """End the driver, also a frozen one, and start it; False where no process manager is set."""
    control = supervisor(settings)
    if control is None:
        return False
    if control.getProcessInfo(PROGRAM)["statename"] not in STOPPED:
        control.signalProcess(PROGRAM, "KILL")  # reaches a stopped process too
        return True  # it is started again by supervisord, or else by the next check
    start(control)
    return True


def start(control: Any) -> None:
    """Let supervisord start the driver, unless it did meanwhile."""
    try:
        control.startProcess(PROGRAM, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != ALREADY_STARTED:
            raise


def tell_of_failed_run(context: Any) -> None:
    """Raise the alert of a supervision that fails; Airflow pauses the DAG after some of them."""
    with closing(Alerts(load_settings())) as alerts:
        alerts.raise_(
            "supervision_failed",
            f"{context['dag_run'].run_id} of stream_supervisor failed; after repeated failures "
            "Airflow pauses the DAG, and nobody watches the stream",
        )


class EnsureStream(BaseOperator):
    """Start the stream driver unless it runs, and wait for its heartbeat; heal it as a watch does.

    Never starts a second one: supervisord keeps one process per program, and the driver itself
    writes nothing without the lease.
    """

    def execute(self, context: Any) -> str:
        settings = load_settings()
        self.log.info("the process manager says: %s", process_state(settings))
        watch, deadline = Watch(settings), time.time() + ENSURE_SECONDS
        with closing(watch), closing(StreamHealth(settings)) as health:
            while time.time() < deadline:
                if (event := watch.look()) is not None:
                    self.log.warning("%s", heal(settings, event))
                beat = health.read()
                if time.time() - beat.get("at", 0.0) < settings.stream_stale_seconds:
                    self.log.info("the driver is %s", beat["phase"])
                    return str(beat["phase"])
                time.sleep(POLL_SECONDS)
            if back_off(health.supervision().get("heals", []), time.time()) > 0:
                return "the next restart must wait; the alert is open"
        said = f"no heartbeat of the stream driver within {ENSURE_SECONDS} s"
        with closing(Alerts(settings)) as alerts:
            alerts.raise_("stream_dead", said)
        raise StreamNotHealed(f"{said}: see its log and infra/runbooks/stream_supervisor.md")


def heal(settings: Settings, event: dict[str, Any]) -> str:
    """Raise the alert of what a Watch saw and restart the driver; return what was done.

    Raises StreamNotHealed where no process manager can be asked.
    """
    said = str(event["said"])
    with closing(StreamHealth(settings)) as health, closing(Alerts(settings)) as alerts:
        alerts.raise_(event["alert"], said)
        health.healed()
        if not restart(settings):
            raise StreamNotHealed(f"{said}; no process manager is set to restart it")
    return f"restarted: {said}"


class WatchStream(BaseOperator):
    """Hold no worker while the driver is well; heal it, or tell somebody, when it is not.

    Ends in success after `watch_seconds`, and also after it healed: a failed run would sooner
    or later pause the DAG and end all supervision.
    """

    def execute(self, context: Any) -> None:
        self.defer(trigger=StreamTrigger(load_settings().watch_seconds), method_name="act")

    def act(self, context: Any, event: dict[str, Any]) -> str:
        """Act on what the trigger saw and return it, for whoever reads the run."""
        self.log.info("%s", event["said"])
        return str(event["said"]) if event["alert"] is None else heal(load_settings(), event)


class StreamTrigger(BaseTrigger):
    """Fires when the driver is not well, or when the watch is over.

    The event has `alert` (None: all is well) and `said`.
    """

    def __init__(self, watch_seconds: float) -> None:
        super().__init__()
        self.watch_seconds = watch_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "plugins.supervision.StreamTrigger", {"watch_seconds": self.watch_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        watch = Watch(load_settings())
        end = time.time() + self.watch_seconds
        try:
            while time.time() < end:
                event = await asyncio.to_thread(watch.look)
                if event is not None:
                    yield TriggerEvent(event)
                    return
                await asyncio.sleep(POLL_SECONDS)
        finally:
            watch.close()
        said = f"well for {self.watch_seconds:.0f} s"
        yield TriggerEvent({"alert": None, "said": said})


class ControlStream(BaseOperator):
    """Stop the stream on purpose and keep it stopped, or let it go on.

    The driver's process stays, holding nothing and writing nothing, and says `held`.
    """

    template_fields = ("action", "reason")

    def __init__(self, action: str, reason: str, **options: Any) -> None:
        super().__init__(**options)
        self.action = action
        self.reason = reason

    def execute(self, context: Any) -> str:
        with closing(Holds(load_settings())) as holds:
            if self.action == "stop":
                holds.place(OPERATOR, self.reason or "stopped on purpose", None)
            else:
                holds.lift(OPERATOR)
        return f"{self.action}: {self.reason}"


class HoldStream(BaseOperator):
    """Hold the stream for the length of a run; the hold ends by itself after `seconds`."""

    def __init__(self, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        run = context["dag_run"]
        with closing(Holds(load_settings())) as holds:
            holds.place(holder_of(run), "nightly maintenance", self.seconds)


class ResumeStream(BaseOperator):
    """Lift the hold of this run's HoldStream; other holds stand."""

    def execute(self, context: Any) -> None:
        with closing(Holds(load_settings())) as holds:
            holds.lift(holder_of(context["dag_run"]))


def holder_of(run: Any) -> str:
    """Return the name under which a DAG run holds the stream."""
    return f"{run.dag_id}:{run.run_id}"
