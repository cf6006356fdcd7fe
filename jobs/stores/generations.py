"""Which generations there are, and the one pointer that says which is live."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pymongo import DESCENDING, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from jobs.contract import names
from jobs.contract.errors import NotPublished
from jobs.contract.generations import Manifest, State
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database


@dataclass(frozen=True)
class Pointer:
    """What is live. `fence` grows with every switch, so that a late publisher is refused.

    `why` is who switched and for what reason, where that was said.
    """

    generation: str | None
    fence: int
    published_at: datetime | None = None
    why: dict[str, str] = field(default_factory=dict)


class Generations:
    """The generations of one deployment and their history."""

    def __init__(self, settings: Settings, timeout_ms: int = 10_000) -> None:
        self._db = database(settings, timeout_ms)

    def record_trained(self, manifest: Manifest) -> None:
        """Write down a trained generation; a repeat of the same changes nothing."""
        fields = manifest.model_dump(mode="json") | {"state": State.TRAINED}
        del fields["generation"]
        self._generations.update_one(
            {"_id": manifest.generation}, {"$setOnInsert": fields}, upsert=True
        )

    def find(self, generation: str) -> Document | None:
        """Return a generation's document: its manifest's fields and its state."""
        return self._generations.find_one({"_id": generation})

    def popular(self, generation: str) -> list[str]:
        """Return the generation's popular songs, most played first."""
        found = self._generations.find_one({"_id": generation}, {"popular": 1}) or {}
        return [str(track) for track in found.get("popular", [])]

    def set_state(self, generation: str, state: State, **why: str) -> None:
        """Move a generation to a state and remember when; an indexed one is servable again.

        `why` (who did it, for what reason) is kept in its history.
        """
        step = {"state": state, "at": datetime.now(UTC)} | why
        change: Document = {"$set": {"state": state}, "$push": {"history": step}}
        if state == State.INDEXED:
            change["$unset"] = {"gone": ""}
        self._generations.update_one({"_id": generation}, change)

    def record_verdict(self, generation: str, state: State, verdict: Document) -> None:
        """Move a generation to what the gate decided, and keep every verdict on it."""
        change = {"$set": {"gate": verdict}, "$push": {"verdicts": verdict}}
        self._generations.update_one({"_id": generation}, change)
        self.set_state(generation, state)

    def lower_users(self, generation: str, users: int) -> None:
        """Say that a generation has factors of this many listeners left; it never grows."""
        more = {"_id": generation, "users": {"$gt": users}}
        self._generations.update_one(more, {"$set": {"users": users}})

    def live(self) -> Pointer:
        """Return the pointer; generation None and fence 0 before the first publication."""
        found = self._db[names.SERVING_STATE].find_one({"_id": names.LIVE})
        if found is None:
            return Pointer(None, 0)
        return _pointer(found)

    def switch(
        self, generation: str, expected: Pointer, at: datetime | None = None, **why: str
    ) -> Pointer:
        """Make a generation live if the pointer still is as `expected`: a compare-and-set.

        `why` is kept in the history of the generation and of the one that it replaces; `at` is
        when it was published, if not now.
        Raises NotPublished when somebody else switched in between; the pointer is theirs then.
        """
        change = {
            "generation": generation,
            "collection": names.collection_name(generation),
            "published_at": at or datetime.now(UTC),
            "why": why,
        }
        now = self._advance(expected, change)
        if now is None:
            raise NotPublished(
                f"{generation} was not published: the pointer moved on from fence "
                f"{expected.fence} meanwhile; look at what is live and try again"
            )
        self.settle()
        return now

    def claim(self, expected: Pointer) -> bool:
        """Let every switch that was prepared before now be refused; False where one came first.

        Whoever removes a generation claims between marking it `gone` and removing it: a
        rollback to it either sees the mark or is refused.
        """
        return self._advance(expected, {}) is not None

    def suspend(self, least_fence: int, **why: str) -> Pointer:
        """Let nothing be live until the next switch, and refuse every one prepared before now."""
        change = {"generation": None, "collection": None, "published_at": None, "why": why}
        while True:
            now = self._advance(self.live(), change, least_fence)
            if now is not None:
                return now

    def _advance(self, expected: Pointer, change: Document, least_fence: int = 0) -> Pointer | None:
        try:
            found: Any = self._db[names.SERVING_STATE].find_one_and_update(
                {"_id": names.LIVE, "fence": expected.fence},
                {"$set": change | {"fence": max(expected.fence, least_fence) + 1}},
                upsert=expected.fence == 0,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return None
        return _pointer(found) if found else None

    def settle(self) -> Pointer:
        """Let the states say what the pointer says, which alone decides; return the pointer.

        A publisher that died between the two leaves states behind; its retry mends them here.
        """
        pointer = self.live()
        while True:
            self._settle(pointer)
            now = self.live()
            if now == pointer:
                return pointer
            pointer = now  # somebody switched meanwhile, and may have settled before us

    def _settle(self, pointer: Pointer) -> None:
        others = {"state": State.LIVE, "_id": {"$ne": pointer.generation}}
        for document in list(self._generations.find(others, {"_id": 1})):
            self.set_state(document["_id"], State.RETIRED, **pointer.why)
        if pointer.generation:
            found = self.find(pointer.generation)
            if found and found["state"] != State.LIVE:
                self.set_state(pointer.generation, State.LIVE, **pointer.why)

    def servable(self) -> list[str]:
        """Return the generations that can be live at once, the newest publication first."""
        states = [State.LIVE, State.RETIRED]
        found = self._generations.find({"state": {"$in": states}, "gone": {"$ne": True}})
        by_live = sorted(found, key=_last_live, reverse=True)
        return [str(d["_id"]) for d in by_live]

    def forget(self, generation: str) -> None:
        """Mark a retired generation as no longer servable: its vectors are gone."""
        self._generations.update_one({"_id": generation}, {"$set": {"gone": True}})

    def recall(self, generation: str) -> None:
        """Undo `forget`: its vectors were not removed after all."""
        self._generations.update_one({"_id": generation}, {"$unset": {"gone": ""}})

    def remove(self, generation: str) -> None:
        """Remove the record of a generation that was never published."""
        self._generations.delete_one({"_id": generation})

    def all(self, most: int = 0) -> list[Document]:
        """Return every generation's document, the newest first; 0: however many there are."""
        return list(self._generations.find().sort("created_at", DESCENDING).limit(most))

    def close(self) -> None:
        """End the connections."""
        self._db.client.close()

    @property
    def _generations(self) -> Collection[Document]:
        return self._db[names.GENERATIONS]


def _pointer(found: Document) -> Pointer:
    at, why = found["published_at"], found.get("why", {})
    return Pointer(found["generation"], int(found["fence"]), at, why)


def _last_live(document: Document) -> datetime:
    times = [h["at"] for h in document.get("history", []) if h["state"] == State.LIVE]
    return max(times, default=datetime.min.replace(tzinfo=UTC))
