"""Faults 9, 10: what only a supervisor sees, and supervisors that die."""

import signal
import time

from tests.faults.crashes import is_open
from tests.faults.rig import Failed, Rig, Sender

NOTICED_SECONDS = 60
PROGRESS_SECONDS = 120


def unwell(rig: Rig, with_lag: bool = True) -> str:
    """Fault 9: a frozen driver, a dead one that nobody restarts, a lag that grows."""
    said = [frozen(rig), dead(rig)]
    if with_lag:
        said.append(lagging(rig))
    return "; ".join(said)


def frozen(rig: Rig) -> str:
    """SIGSTOP of the driver."""
    settle(rig)
    return watched(rig, "SIGSTOP", "stream_frozen", lambda: rig.kill("stream", signal.SIGSTOP))


def dead(rig: Rig) -> str:
    """SIGKILL of the driver with autorestart off."""
    settle(rig)
    rig.autorestart(False)
    try:
        settle(rig)
        return watched(
            rig, "SIGKILL without autorestart", "stream_dead", lambda: rig.kill("stream")
        )
    finally:
        rig.autorestart(True)


def lagging(rig: Rig, rate: int = 15_000, seconds: int = 75) -> str:
    """More events than the driver can take."""
    settle(rig)
    sender = Sender(rig.settings)
    with sender.in_background(rate * seconds, rate):
        said = watched(rig, f"{rate:,} events/s", "lag_growing", lambda: None)
    drained = rig.wait_drained(900)
    once = rig.check_once(sender.acknowledged, sender.prefix)
    return f"{said}, drained in {drained:.0f} s more ({once})"


def watched(rig: Rig, what: str, alert: str, fault: object) -> str:
    """Commit a fault; return how soon it was noticed and how soon there was progress again."""
    rig.alerts.clear(alert)
    was = rig.health.read()
    began = time.monotonic()
    fault()  # type: ignore[operator]
    with Sender(rig.settings).in_background(1_000, 10) as sender:
        noticed = rig.wait(lambda: is_open(rig, alert), 150, f"alert {alert}")
        rig.wait(
            lambda: (
                rig.health.read()["starts"] > was["starts"]
                and rig.health.read()["progress_at"] > rig.health.read()["started_at"] + 1
                and rig.health.read().get("rows", 0) > 0
                and rig.phase() == "running"
            ),
            240,
            "progress of a new driver",
        )
        progress = time.monotonic() - began
    rig.wait_drained(900)
    rig.check_once(sender.acknowledged, sender.prefix)
    if noticed > NOTICED_SECONDS or progress > PROGRESS_SECONDS:
        raise Failed(f"{what}: noticed after {noticed:.0f} s, progress after {progress:.0f} s")
    return f"{what}: noticed {noticed:.0f} s, progress {progress:.0f} s"


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
