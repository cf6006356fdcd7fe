"""MongoDB: lists of songs that belong to one generation, in collections of its own."""

from collections.abc import Iterable

from pymongo import ReplaceOne

from jobs.contract.names import lists_collection, neighbours_collection
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, bulk_write, database

Neighbours = list[tuple[str, float]]
"""Songs of the same sessions with their weights, the best first."""

Plays = list[tuple[str, float]]
"""Songs of a listener with their plays in the window, the most played first."""


class GenerationLists:
    """Session neighbours and nightly lists of every generation. Safe to share between threads."""

    def __init__(self, settings: Settings, timeout_ms: int = 60_000) -> None:
        self._db = database(settings, timeout_ms)

    def set_neighbours(self, generation: str, rows: Iterable[tuple[str, Neighbours]]) -> int:
        """Write each song's neighbours, over what an interrupted run left; return how many."""
        documents = (
            {"_id": song, "songs": [s for s, _ in found], "weights": [w for _, w in found]}
            for song, found in rows
        )
        return self._write(neighbours_collection(generation), documents)

    def set_lists(self, generation: str, rows: Iterable[tuple[str, list[str], Plays]]) -> int:
        """Write each listener's nightly list and plays, over what an interrupted run left."""
        documents = (
            {
                "_id": user,
                "songs": songs,
                "played": [song for song, _ in plays],
                "plays": [count for _, count in plays],
            }
            for user, songs, plays in rows
        )
        return self._write(lists_collection(generation), documents)

    def _write(self, collection: str, documents: Iterable[Document]) -> int:
        writes = (ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in documents)
        return bulk_write(self._db[collection], writes)

    def neighbours(self, generation: str, songs: Iterable[str]) -> dict[str, Neighbours]:
        """Return the neighbours of those of the songs that have any, in one read."""
        wanted = {"_id": {"$in": list(songs)}}
        return {
            str(d["_id"]): list(zip(d["songs"], d["weights"], strict=True))
            for d in self._db[neighbours_collection(generation)].find(wanted)
        }

    def nightly(self, generation: str, user_id: str) -> list[str]:
        """Return a listener's nightly list, best first; empty where there is none."""
        found = self._db[lists_collection(generation)].find_one({"_id": user_id}, {"songs": 1})
        return list(found["songs"]) if found else []

    def plays(self, generation: str, user_id: str) -> Plays:
        """Return what a listener played in the generation's window; empty where unknown."""
        wanted = {"played": 1, "plays": 1}
        found = self._db[lists_collection(generation)].find_one({"_id": user_id}, wanted) or {}
        # A generation of an older version has no plays.
        return list(zip(found.get("played", []), found.get("plays", []), strict=True))

    def counts(self, generation: str) -> tuple[int, int]:
        """Return how many songs have neighbours and how many listeners a list."""
        names = (neighbours_collection(generation), lists_collection(generation))
        neighbours, lists = (self._db[name].count_documents({}) for name in names)
        return neighbours, lists

    def listeners(self, generation: str) -> list[str]:
        """Return who has a nightly list of a generation."""
        return [str(d["_id"]) for d in self._db[lists_collection(generation)].find({}, {"_id": 1})]

    def forget(self, generation: str, users: Iterable[str]) -> None:
        """Remove the nightly lists of some listeners."""
        for user_id in users:
            self._db[lists_collection(generation)].delete_one({"_id": user_id})

    def drop(self, generation: str) -> None:
        """Remove everything of a generation."""
        for name in (neighbours_collection(generation), lists_collection(generation)):
            self._db.drop_collection(name)

    def generations(self) -> list[str]:
        """Return the generations that have nightly lists."""
        prefix = lists_collection("")
        found = self._db.list_collection_names()
        return sorted(name.removeprefix(prefix) for name in found if name.startswith(prefix))

    def close(self) -> None:
        """End the connections."""
        self._db.client.close()
