"""One look after the other at the stream driver: what is read, judged and written down."""

import time
import xmlrpc.client
from typing import Any

from pymongo.errors import PyMongoError

from jobs.contract.settings import Settings
from jobs.stores.alerts import Alerts
from jobs.stores.events import BrokerUnavailable, topic_bounds
from jobs.stores.stream_health import StreamHealth, unread
from plugins.watching import Limits, back_off, judge, lags_of

PROGRAM = "stream"
SEEN = (
    *("stream_dead", "stream_frozen", "stream_stuck", "stream_crashing", "lag_growing"),
    *("two_drivers", "offsets_lost", "supervision_failed"),
)
"""Alerts that are over when the driver is seen to be well."""
ORPHAN_SECONDS = 60.0
"""A failed run's trigger may look once more before Airflow ends it; its word proves nothing."""


def supervisor(settings: Settings) -> Any:
    """Return supervisord's interface; None where another process manager owns the driver."""
    if not settings.supervisor_url:
        return None
    return xmlrpc.client.ServerProxy(settings.supervisor_url).supervisor


def process_state(settings: Settings) -> str | None:
    """Return supervisord's word for the driver's process; None where nobody says."""
    control = supervisor(settings)
    try:
        return None if control is None else str(control.getProcessInfo(PROGRAM)["statename"])
    except (OSError, xmlrpc.client.Error):
        return None


class Watch:
    """Looks at the driver, the lag and the process, and writes down that it looked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = Limits.of(settings)
        self._health = StreamHealth(settings)
        self._alerts = Alerts(settings)
        self._floor = 0.0

    def look(self) -> dict[str, Any] | None:
        """Return the event to fire, or None; a restart that must wait only raises its alert."""
        try:
            health = self._health.read()
            seen = self._health.watched(self._lag(health), health.get("starts", 0))
            # A watch that begins anew after the whole stack was away must not condemn a driver
            # for that time: nothing counts as older than the watching.
            self._floor = max(self._floor, seen["watched_since"])
            now, state = time.time(), process_state(self._settings)
            verdict = judge(health, state, seen, now, self._floor, self._limits)
            if verdict is None:
                self._all_is_well(health, lags_of(seen))
                return None
            wait = back_off(seen.get("heals", []), now)
            if not verdict.heal or wait > 0:
                later = f"; restarted lately, next in {wait:.0f} s" if verdict.heal else ""
                self._alerts.raise_(verdict.alert, verdict.said + later)
                return None
        except PyMongoError:
            self._floor = time.time()  # unknown is not ill
            return None
        return {"alert": verdict.alert, "said": verdict.said}

    def close(self) -> None:
        """End the connections."""
        self._health.close()
        self._alerts.close()

    def _lag(self, health: dict[str, Any]) -> int | None:
        try:
            return sum(unread(health, topic_bounds(self._settings)).values())
        except BrokerUnavailable:
            return None

    def _all_is_well(self, health: dict[str, Any], lags: list[int]) -> None:
        if health.get("phase") != "running":
            return
        over = set(SEEN)
        if not lags or lags[-1] > self._limits.batch:
            over.remove("lag_growing")
        for alert in self._alerts.open():
            age = time.time() - alert["last_at"]
            if alert["_id"] == "supervision_failed" and age < ORPHAN_SECONDS:
                continue
            if alert["_id"] in over:
                self._alerts.clear(alert["_id"])
