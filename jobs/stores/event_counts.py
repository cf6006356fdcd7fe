"""MongoDB: how many events of each kind there were in each hour of the last days."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database
from jobs.stores.once import has_counted, replace_once

KEPT = timedelta(days=15)
"""Two whole weeks can be compared, and events are at most 14 days late."""
MOST_KINDS = 300
"""In one hour: what senders write into their events must not make documents grow for ever."""

Kind = tuple[str, str, str | None]
"""Action, origin, and the generation that recommended the song, if one did."""
HourEvents = tuple[int, str, str, str | None, int]
"""Hour (whole hours since the epoch, UTC), action, origin, generation, events."""


class EventCounts:
    """One document per hour: `counts` is a list of `action`, `origin`, `generation`, `events`.

    Its `_id` is the hour as in `HourEvents`.
    """

    def __init__(self, settings: Settings, timeout_ms: int = 60_000) -> None:
        self._counts = database(settings, timeout_ms)[names.EVENT_COUNTS]

    def add(self, rows: Iterable[HourEvents], app_id: str, batch: int, now: datetime) -> None:
        """Add one micro-batch's events, once, however often it is repeated; forget old hours.

        Raises LeaseLost when another writer changed an hour meanwhile.
        """
        oldest = _hour(now - KEPT)
        by_hour: dict[int, Counter[Kind]] = {}
        for hour, action, origin, generation, events in rows:
            if hour >= oldest:
                by_hour.setdefault(hour, Counter())[action, origin, generation] += events
        read = {d["_id"]: d for d in self._counts.find({"_id": {"$in": sorted(by_hour)}})}
        changed = {
            hour: {"_id": hour, "counts": _listed(_kinds(read.get(hour)), more)}
            for hour, more in by_hour.items()
            if not has_counted(read.get(hour), app_id, batch)
        }
        replace_once(self._counts, read, changed, app_id, batch)
        self._counts.delete_many({"_id": {"$lt": oldest}})

    def since(self, start: datetime) -> list[Document]:
        """Return the hours from the one of `start` on, in order; hours without events lack."""
        return list(self._counts.find({"_id": {"$gte": _hour(start)}}).sort("_id"))

    def close(self) -> None:
        """End the connections."""
        self._counts.database.client.close()


def _hour(moment: datetime) -> int:
    return int(moment.timestamp()) // 3600


def _kinds(document: Document | None) -> Counter[Kind]:
    found = document["counts"] if document else []
    return Counter({(c["action"], c["origin"], c["generation"]): c["events"] for c in found})


def _listed(old: Counter[Kind], more: Counter[Kind]) -> list[Document]:
    for kind, events in more.items():
        full = kind not in old and len(old) >= MOST_KINDS
        old[(kind[0], "other", None) if full else kind] += events
    return [
        {"action": action, "origin": origin, "generation": generation, "events": events}
        for (action, origin, generation), events in old.items()
    ]
