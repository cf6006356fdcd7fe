"""MongoDB: parameters that a tuning found, and whether they have become the default."""

from datetime import UTC, datetime
from typing import Any

from pymongo import DESCENDING

from jobs.contract.names import TUNED_PARAMS
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database

CANDIDATE, DEFAULT, FORMER = "candidate", "default", "former"


class TunedParams:
    """One document per study: `params`, `score`, `default_score` and `state`."""

    def __init__(self, settings: Settings, timeout_ms: int = 10_000) -> None:
        self._found = database(settings, timeout_ms)[TUNED_PARAMS]

    def propose(self, study: str, params: dict[str, Any], score: float, default: float) -> None:
        """Record the winner of a study as a candidate, in the place of an earlier one."""
        self._found.update_many({"state": CANDIDATE}, {"$set": {"state": FORMER}})
        fields = {
            "params": params,
            "score": score,
            "default_score": default,
            "state": CANDIDATE,
            "at": datetime.now(UTC),
        }
        self._found.update_one({"_id": study}, {"$set": fields}, upsert=True)

    def candidate(self) -> Document | None:
        """Return what was proposed last and is not the default yet."""
        return self._newest(CANDIDATE)

    def default(self) -> Document | None:
        """Return what nightly trainings use in place of the settings."""
        return self._newest(DEFAULT)

    def promote(self, study: str) -> None:
        """Make the parameters of a study the default; a repeat changes nothing."""
        others = {"state": DEFAULT, "_id": {"$ne": study}}
        self._found.update_many(others, {"$set": {"state": FORMER}})
        self._found.update_one({"_id": study}, {"$set": {"state": DEFAULT}})

    def forget(self) -> int:
        """Go back to the settings; return how many defaults and candidates that ended."""
        ended = {"state": {"$in": [CANDIDATE, DEFAULT]}}
        return self._found.update_many(ended, {"$set": {"state": FORMER}}).modified_count

    def close(self) -> None:
        """End the connections."""
        self._found.database.client.close()

    def _newest(self, state: str) -> Document | None:
        return self._found.find_one({"state": state}, sort=[("at", DESCENDING)])
