"""MongoDB: songs with their counts, users with their vectors."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from pymongo import ASCENDING, MongoClient, ReplaceOne, UpdateOne
from pymongo.collection import Collection
from pymongo.database import Database

from jobs.contract import names
from jobs.contract.settings import Settings

Document = dict[str, Any]
T = TypeVar("T")
BATCH = 1000


def database(settings: Settings, timeout_ms: int = 10_000) -> Database[Document]:
    """Return the database; an operation on it waits at most `timeout_ms` in all."""
    client: MongoClient[Document] = MongoClient(
        settings.mongo_uri,
        timeoutMS=timeout_ms,
        serverSelectionTimeoutMS=timeout_ms,
        tz_aware=True,
    )
    return client[settings.mongo_db]


class Documents:
    """Songs and users of one deployment. Safe to share between threads."""

    def __init__(self, settings: Settings, timeout_ms: int = 60_000) -> None:
        self._db = database(settings, timeout_ms)

    def ensure_indexes(self) -> None:
        """Create the indexes that serving and counting read by, unless they are there."""
        for field in ("artist_id", "title"):
            self._db[names.SONGS].create_index([(field, ASCENDING)])

    def upsert_songs(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Write master fields of songs (contract SONG); the counts of old songs stay.

        New songs start with counts of 0. Returns how many rows were given. Whoever holds titles
        in memory is told by a new version of the catalogue.
        """
        counts = {"plays_7d": 0, "plays_cumulative": 0}
        written = self._upsert(names.SONGS, "track_id", rows, counts)
        self.renew_catalogue()
        return written

    def renew_catalogue(self) -> None:
        """Give the catalogue a new version: its songs were written."""
        which, newer = {"_id": names.SONGS}, {"$inc": {"version": 1}}
        self._db[names.CATALOGUE_STATE].update_one(which, newer, upsert=True)

    def upsert_users(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Write master fields of users (contract USER); their vectors stay."""
        return self._upsert(names.USERS, "user_id", rows, {})

    def _upsert(
        self, collection: str, key: str, rows: Iterable[Mapping[str, Any]], new: Document
    ) -> int:
        def update(row: Mapping[str, Any]) -> UpdateOne:
            fields = {k: v for k, v in row.items() if k != key}
            change = {"$set": fields} | ({"$setOnInsert": new} if new else {})
            return UpdateOne({"_id": row[key]}, change, upsert=True)

        return bulk_write(self._db[collection], (update(row) for row in rows))

    def set_vectors(self, generation: str, rows: Iterable[tuple[str, list[float]]]) -> int:
        """Write each user's vector of one generation, and as the newest one."""
        now = datetime.now(UTC)

        def update(user_id: str, vector: list[float]) -> UpdateOne:
            change = {
                f"vectors.{generation}": vector,
                "latent_vector": vector,
                "last_updated": now,
            }
            return UpdateOne({"_id": user_id}, {"$set": change}, upsert=True)

        return bulk_write(self._db[names.USERS], (update(*row) for row in rows))

    def drop_vectors(self, generation: str) -> None:
        """Remove one generation's vectors from every user."""
        field = f"vectors.{generation}"
        self._db[names.USERS].update_many({field: {"$exists": True}}, {"$unset": {field: ""}})

    def count_vectors(self, generation: str) -> int:
        """Return how many users have a vector of this generation."""
        return self._db[names.USERS].count_documents({f"vectors.{generation}": {"$exists": True}})

    def some_vectors(self, generation: str, limit: int) -> dict[str, list[float]]:
        """Return the vectors of some users who have one of this generation."""
        field = f"vectors.{generation}"
        found = self._db[names.USERS].find({field: {"$exists": True}}, {field: 1}).limit(limit)
        return {str(d["_id"]): list(d["vectors"][generation]) for d in found}

    def artists(self) -> dict[str, str]:
        """Return the artist's id of every song that has one."""
        found = self._db[names.SONGS].find({"artist_id": {"$ne": None}}, {"artist_id": 1})
        return {str(d["_id"]): str(d["artist_id"]) for d in found}

    def set_playable(self, has_audio: Callable[[str], bool]) -> tuple[int, int, int]:
        """Write for every song whether it has audio, by track id.

        Returns how many have, how many have not, and how many were written down otherwise.
        """
        counts = {True: 0, False: 0}

        def changes() -> Iterator[UpdateOne]:
            for song in self._db[names.SONGS].find({}, {"playable": 1}):
                playable = has_audio(str(song["_id"]))
                counts[playable] += 1
                if song.get("playable") is not playable:
                    yield UpdateOne({"_id": song["_id"]}, {"$set": {"playable": playable}})

        changed = bulk_write(self._db[names.SONGS], changes())
        return counts[True], counts[False], changed

    def forget_playable(self) -> int:
        """Write down of no song whether it has audio; return how many had such a note."""
        noted = {"playable": {"$exists": True}}
        changed = self._db[names.SONGS].update_many(noted, {"$unset": {"playable": ""}})
        return changed.modified_count

    def by_plays(self) -> list[str]:
        """Return every song's track id, the most played of all times first, equals by id."""
        found = self._db[names.SONGS].find({}, {"plays_cumulative": 1})
        counts = [(-int(d.get("plays_cumulative") or 0), str(d["_id"])) for d in found]
        return [track_id for _, track_id in sorted(counts)]

    def user_ids(self) -> Iterator[str]:
        """Yield the id of every user, in no order."""
        return (str(d["_id"]) for d in self._db[names.USERS].find({}, {"_id": 1}))

    def delete_users(self, user_ids: Iterable[str]) -> None:
        """Remove users, with their vectors of every generation."""
        for user_id in user_ids:
            self._db[names.USERS].delete_one({"_id": user_id})

    def close(self) -> None:
        """End the connections."""
        self._db.client.close()


def bulk_write(
    collection: Collection[Document], writes: Iterable[UpdateOne | ReplaceOne[Document]]
) -> int:
    """Send the writes in batches, in no particular order; return how many there were."""
    written = 0
    for batch in in_batches(writes, BATCH):
        collection.bulk_write(batch, ordered=False)
        written += len(batch)
    return written


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of at most `size`."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
