"""Faults 9, 10: what only a supervisor sees, and supervisors that die."""

import signal
import time

from tests.faults.crashes import is_open
from tests.faults.rig import Failed, Rig, Sender

NOTICED_SECONDS = 60
PROGRESS_SECONDS = 120


def unwell(rig: Rig) -> str:
    """Fault 9: a frozen driver, a dead one that nobody restarts, a lag that grows."""
    return "; ".join(fault(rig) for fault in (frozen, dead, lagging))


def frozen(rig: Rig) -> str:
    """SIGSTOP of the driver."""
    settle(rig)
    fault = Fault(rig, "SIGSTOP", "stream_frozen")
    rig.kill("stream", signal.SIGSTOP)
    return fault.healed()


def dead(rig: Rig) -> str:
    """SIGKILL of the driver with autorestart off."""
    settle(rig)
    rig.autorestart(False)
    try:
        settle(rig)
        fault = Fault(rig, "SIGKILL without autorestart", "stream_dead")
        rig.kill("stream")
        return fault.healed()
    finally:
        rig.autorestart(True)


def lagging(rig: Rig, rate: int = 15_000) -> str:
    """More events than the driver can take, until it is noticed."""
    settle(rig)
    sender = Sender(rig.settings)
    fault = Fault(rig, f"{rate:,} events/s", "lag_growing")
    with sender.in_background(0, rate):
        rig.wait(lambda: rig.lag() > rig.settings.stream_max_offsets, 60, "lag")
        fault.begin()
        fault.notice()
    said = fault.healed()
    return f"{said}, all caught up ({rig.check_once(sender.acknowledged, sender.prefix)})"


class Fault:
    """Times how soon a fault is noticed, and how soon a new driver makes progress."""

    def __init__(self, rig: Rig, what: str, alert: str) -> None:
        self._rig = rig
        self._what = what
        self._alert = alert
        rig.alerts.clear(alert)
        self._starts = rig.health.read()["starts"]
        self._noticed = 0.0
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._began = time.monotonic()

    def notice(self) -> None:
        """Wait for the alert."""
        self._rig.wait(lambda: is_open(self._rig, self._alert), 150, f"alert {self._alert}")
        self._noticed = self._noticed or time.monotonic() - self._began

    def healed(self) -> str:
        """Wait for the progress of a new driver on new events; return the times."""
        with Sender(self._rig.settings).in_background(1_000, 10) as sender:
            self.notice()
            self._rig.wait(self._has_progress, 240, "progress of a new driver")
            progress = time.monotonic() - self._began
        self._rig.wait_drained(900)
        self._rig.check_once(sender.acknowledged, sender.prefix)
        said = f"{self._what}: noticed {self._noticed:.0f} s, progress {progress:.0f} s"
        if self._noticed > NOTICED_SECONDS or progress > PROGRESS_SECONDS:
            raise Failed(f"{said}, which is too late")
        return said

    def _has_progress(self) -> bool:
        health = self._rig.health.read()
        return bool(
            health["starts"] > self._starts
            and health["phase"] == "running"
            and health["progress_at"] > health["started_at"] + 1
            and health.get("rows", 0) > 0
        )


def settle(rig: Rig) -> None:
    """Wait until somebody watches, and forget earlier restarts: each fault is the first one."""
    rig.wait_running()
    rig.db["stream_health"].update_one({"_id": "stream_supervision"}, {"$set": {"heals": []}})
    since = time.time()
    rig.wait(lambda: rig.health.supervision().get("watched_at", 0) > since + 12, 120, "watch")


def supervisors_die(rig: Rig) -> str:
    """Fault 10: scheduler and triggerer are killed, the run is marked failed."""
    settle(rig)
    pid = rig.pid()
    with Sender(rig.settings).in_background(6_000, 50) as sender:
        rig.kill("af-scheduler")
        time.sleep(40)
        rig.kill("af-triggerer")
        time.sleep(40)
        ended = rig.end_runs()
        time.sleep(20)
    rig.wait_drained()
    if rig.pid() != pid:
        raise Failed("a healthy driver was ended")
    said = rig.check_once(sender.acknowledged, sender.prefix)
    settle(rig)
    return f"process {pid} went on through both kills and {len(ended)} failed run: {said}"
