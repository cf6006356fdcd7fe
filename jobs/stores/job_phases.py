"""MongoDB: how long each phase of each job took when it last ended well."""

import time

from pymongo.errors import PyMongoError

from jobs.contract.names import JOB_PHASES
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database


class JobPhases:
    """One document per job: `phases` {name: `seconds`, `ended_at` (epoch seconds)}."""

    def __init__(self, settings: Settings, timeout_ms: int = 3_000) -> None:
        self._phases = database(settings, timeout_ms)[JOB_PHASES]

    def ended(self, job: str, name: str, seconds: float) -> None:
        """Write down that a phase ended well."""
        change = {f"phases.{name}": {"seconds": seconds, "ended_at": time.time()}}
        # A job must not fail for want of its figures, so that is only said.
        try:
            self._phases.update_one({"_id": job}, {"$set": change}, upsert=True)
        except PyMongoError as error:
            print(f"{job}: the duration of {name} was not written: {error}", flush=True)

    def all(self) -> list[Document]:
        """Return every job's document."""
        return list(self._phases.find())

    def close(self) -> None:
        """End the connections."""
        self._phases.database.client.close()
