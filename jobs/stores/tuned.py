"""MongoDB: parameters that a tuning found, and whether they have become the default.

A winner is a `candidate`, then the `default` or `rejected`, and `former` in the end.
"""

from datetime import UTC, datetime
from typing import Any

from pymongo import DESCENDING

from jobs.contract.names import TUNED_PARAMS
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database

CANDIDATE, DEFAULT, REJECTED, FORMER = "candidate", "default", "rejected", "former"


class TunedParams:
    """One document per winner of a study: `params`, `score`, `default_score` and `state`."""

    def __init__(self, settings: Settings, timeout_ms: int = 10_000) -> None:
        self._found = database(settings, timeout_ms)[TUNED_PARAMS]

    def propose(self, winner: str, params: dict[str, Any], score: float, default: float) -> None:
        """Record the winner of a study as a candidate, in the place of an earlier one."""
        self._found.update_many({"state": CANDIDATE}, {"$set": {"state": FORMER}})
        fields = {
            "params": params,
            "score": score,
            "default_score": default,
            "state": CANDIDATE,
            "at": datetime.now(UTC),
        }
        self._found.update_one({"_id": winner}, {"$set": fields}, upsert=True)

    def candidate(self) -> Document | None:
        """Return what was proposed and was not judged yet."""
        return self._newest(CANDIDATE)

    def proposed(self) -> Document | None:
        """Return what was proposed last, whatever the gate has said of it since."""
        return self._newest(CANDIDATE, REJECTED, DEFAULT)

    def default(self) -> Document | None:
        """Return what nightly trainings use in place of the settings."""
        return self._newest(DEFAULT)

    def judge(self, winner: str, passed: bool) -> None:
        """Write down what the gate said of a generation that was trained with a winner.

        A candidate that passed becomes the default. Every other winner stays what it is, so
        that a night that was trained with an older default does not bring it back.
        """
        open_to_it = {"_id": winner, "state": {"$in": [CANDIDATE, REJECTED]}}
        verdict = {"$set": {"state": DEFAULT if passed else REJECTED}}
        if self._found.update_one(open_to_it, verdict).matched_count and passed:
            others = {"state": DEFAULT, "_id": {"$ne": winner}}
            self._found.update_many(others, {"$set": {"state": FORMER}})

    def forget(self) -> int:
        """Go back to the settings; return how many winners that ended."""
        ended = {"state": {"$ne": FORMER}}
        return self._found.update_many(ended, {"$set": {"state": FORMER}}).modified_count

    def close(self) -> None:
        """End the connections."""
        self._found.database.client.close()

    def _newest(self, *states: str) -> Document | None:
        return self._found.find_one({"state": {"$in": states}}, sort=[("at", DESCENDING)])
