"""What the stream's health means: rules without Airflow, without a store and without a clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.contract.settings import Settings

STOPPED = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
"""States of supervisord in which it does nothing more by itself."""
START_SECONDS = 180.0
RIVAL_SECONDS = 15.0
STARTS_SECONDS = 600.0
MANY_STARTS = 4
GROWING_CHECKS = 10
LONGEST_BATCHES = 3
FIRST_BACK_OFF_SECONDS = 30.0
MAX_BACK_OFF_SECONDS = 1800.0
CALM_SECONDS = 3600.0
"""Restarts longer ago than this no longer count."""


@dataclass(frozen=True)
class Limits:
    """Seconds without a heartbeat, seconds without progress, and messages of one batch."""

    stale: float
    stuck: float
    batch: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Return the limits that the settings say."""
        return cls(
            settings.stream_stale_seconds,
            settings.stream_stuck_seconds,
            settings.stream_max_offsets,
        )


@dataclass(frozen=True)
class Verdict:
    """What is wrong: `alert` names it; `heal` says whether a restart may help."""

    alert: str
    said: str
    heal: bool = True


def judge(
    health: dict[str, Any],
    state: str | None,
    supervision: dict[str, Any],
    now: float,
    floor: float,
    limits: Limits,
) -> Verdict | None:
    """Return what is wrong with the driver, or None while it is well.

    `health` is its document in `stream_health`, `state` supervisord's word for its process
    (None: not known), and `supervision` the other document there, with this look as the last of
    its `checks`.
    Nothing counts as older than `floor`, the moment from which somebody watched: a driver is
    not to blame for the time in which the whole stack was away.
    """
    ill = _ill(health, state, lags_of(supervision), now, floor, limits)
    starts = starts_of(supervision, now)
    if ill is None and starts >= MANY_STARTS:  # it is restarted all the time as it is
        said = f"the driver was started {starts} times in {STARTS_SECONDS / 60:.0f} minutes"
        return Verdict("stream_crashing", said, heal=False)
    return ill


def _ill(
    health: dict[str, Any],
    state: str | None,
    lags: Sequence[int],
    now: float,
    floor: float,
    limits: Limits,
) -> Verdict | None:
    if state in STOPPED:
        return Verdict("stream_dead", f"the driver does not run: supervisord says {state}")
    beat = now - max(health.get("at", 0.0), floor)
    patience = START_SECONDS if health.get("phase") == "starting" else limits.stale
    if beat > patience:
        phase = health.get("phase")
        return Verdict("stream_frozen", f"no heartbeat for {beat:.0f} s, last phase {phase}")
    rival = health.get("rival", {})
    if now - rival.get("at", 0.0) < RIVAL_SECONDS:
        said = f"a second driver waits on {rival['host']}, process {rival['pid']}: stop one"
        return Verdict("two_drivers", said, heal=False)
    if health.get("phase") == "halted":
        return Verdict("offsets_lost", str(health.get("error")), heal=False)
    if health.get("phase") != "running":
        return None
    still = now - max(health.get("progress_at", 0.0), floor)
    longest = LONGEST_BATCHES * health.get("longest_batch_seconds", 0.0)
    if lags and lags[-1] > 0 and still > max(limits.stuck, longest):
        said = f"{lags[-1]} messages wait and there was no progress for {still:.0f} s"
        return Verdict("stream_stuck", said)
    if is_growing(lags, limits.batch):
        said = f"the lag grew to {lags[-1]} messages over {GROWING_CHECKS} checks"
        return Verdict("lag_growing", said)
    return None


def lags_of(supervision: dict[str, Any]) -> list[int]:
    """Return the messages that waited at the last checks, since Kafka last did not say."""
    lags: list[int] = []
    for check in supervision.get("checks", []):
        lags = [] if check["lag"] is None else [*lags, check["lag"]]
    return lags


def starts_of(supervision: dict[str, Any], now: float) -> int:
    """Return how often a driver was started during the last `STARTS_SECONDS`, as far as seen."""
    recent = [c["starts"] for c in supervision.get("checks", []) if now - c["at"] < STARTS_SECONDS]
    return recent[-1] - recent[0] if recent else 0


def is_growing(lags: Sequence[int], batch: int) -> bool:
    """Say whether more than a batch waits, more in each newer check than before, and most now.

    The lag falls only when a batch ends, so halves of the time are compared, not neighbours.

    Examples:
        >>> is_growing([100, 200, 300, 400, 500, 600, 700, 800, 900, 1000], batch=500)
        True
        >>> is_growing([900, 100, 900, 100, 900, 100, 900, 100, 900, 1000], batch=500)
        False
    """
    if len(lags) < GROWING_CHECKS or lags[-1] <= batch:
        return False
    newest = lags[-GROWING_CHECKS:]
    half = GROWING_CHECKS // 2
    return min(newest[half:]) > max(newest[:half]) and newest[-1] == max(newest)


def back_off(heals: Sequence[float], now: float) -> float:
    """Return for how many seconds from now no restart may follow; 0: now is fine.

    Each restart of the last hour doubles the pause after the last one.

    Examples:
        >>> back_off([], now=1000.0)
        0.0
        >>> back_off([990.0], now=1000.0)
        20.0
        >>> back_off([900.0, 990.0], now=1000.0)
        50.0
    """
    recent = [at for at in heals if now - at < CALM_SECONDS]
    if not recent:
        return 0.0
    pause = min(FIRST_BACK_OFF_SECONDS * 2 ** (len(recent) - 1), MAX_BACK_OFF_SECONDS)
    return max(0.0, max(recent) + pause - now)
