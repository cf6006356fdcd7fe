"""MongoDB: songs with their counts, users with their vectors."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from pymongo import ASCENDING, MongoClient, UpdateOne
from pymongo.database import Database

from jobs.contract import names
from jobs.contract.settings import Settings

Document = dict[str, Any]
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
    """Songs, users and play counts of one deployment. Safe to share between threads."""

    def __init__(self, settings: Settings, timeout_ms: int = 60_000) -> None:
        self._db = database(settings, timeout_ms)

    def ensure_indexes(self) -> None:
        """Create the indexes that serving and counting read by, unless they are there."""
        for field in ("artist_id", "title"):
            self._db[names.SONGS].create_index([(field, ASCENDING)])
        self._db[names.PLAY_COUNTS].create_index([("track_id", ASCENDING), ("date", ASCENDING)])

    def upsert_songs(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Write master fields of songs (contract SONG); the counts of old songs stay.

        New songs start with counts of 0. Returns how many rows were given.
        """
        counts = {"plays_7d": 0, "plays_cumulative": 0}
        return self._upsert(names.SONGS, "track_id", rows, counts)

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

        return self._write(collection, (update(row) for row in rows))

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

        return self._write(names.USERS, (update(*row) for row in rows))

    def drop_vectors(self, generation: str) -> None:
        """Remove one generation's vectors from every user."""
        field = f"vectors.{generation}"
        self._db[names.USERS].update_many({field: {"$exists": True}}, {"$unset": {field: ""}})

    def count_vectors(self, generation: str) -> int:
        """Return how many users have a vector of this generation."""
        return self._db[names.USERS].count_documents({f"vectors.{generation}": {"$exists": True}})

    def add_plays(self, counts: Iterable[tuple[str, date, int]], app_id: str, batch: int) -> None:
        """Add one micro-batch's plays per song and day, once, however often it is repeated.

        Each count names the batch that changed it last, and a batch that is not newer than
        that changes nothing. A new `app_id` (after a lost checkpoint) starts over at batch 0.
        """
        rows = list(counts)
        ids = [f"{day.isoformat()}/{track}" for track, day, _ in rows]
        fresh = (
            UpdateOne(
                {"_id": _id},
                {
                    "$setOnInsert": {
                        "track_id": track,
                        "date": day.isoformat(),
                        "plays": 0,
                        "app_id": app_id,
                        "batch": -1,
                    }
                },
                upsert=True,
            )
            for _id, (track, day, _) in zip(ids, rows, strict=True)
        )
        self._write(names.PLAY_COUNTS, fresh)
        added = (
            UpdateOne(
                {"_id": _id, "$or": [{"app_id": {"$ne": app_id}}, {"batch": {"$lt": batch}}]},
                {"$inc": {"plays": plays}, "$set": {"app_id": app_id, "batch": batch}},
            )
            for _id, (_, _, plays) in zip(ids, rows, strict=True)
        )
        self._write(names.PLAY_COUNTS, added)

    def set_plays(self, counts: Iterable[tuple[str, date, int]], app_id: str, batch: int) -> int:
        """Set the plays per song and day to what the lake holds.

        `batch` is the last one of `app_id` in the lake, so that the stream, when it repeats
        that batch, does not add it again. Days that the lake no longer has are removed.
        """
        mark = datetime.now(UTC)

        def update(track: str, day: date, plays: int) -> UpdateOne:
            return UpdateOne(
                {"_id": f"{day.isoformat()}/{track}"},
                {
                    "$set": {
                        "track_id": track,
                        "date": day.isoformat(),
                        "plays": plays,
                        "app_id": app_id,
                        "batch": batch,
                        "counted_at": mark,
                    }
                },
                upsert=True,
            )

        written = self._write(names.PLAY_COUNTS, (update(*row) for row in counts))
        self._db[names.PLAY_COUNTS].delete_many({"counted_at": {"$lt": mark}})
        self._db[names.PLAY_COUNTS].delete_many({"counted_at": {"$exists": False}})
        return written

    def refresh_song_counts(
        self, today: date, first_day_7d: date, tracks: list[str] | None
    ) -> None:
        """Set `plays_7d` and `plays_cumulative` of songs from the plays per day.

        `plays_7d` holds the days [first_day_7d, today]. `tracks` None means every song; songs
        without a play get 0. A track that is no song yet is left out, and counted later.
        """
        match = {} if tracks is None else {"track_id": {"$in": tracks}}
        in_week = {
            "$and": [
                {"$gte": ["$date", first_day_7d.isoformat()]},
                {"$lte": ["$date", today.isoformat()]},
            ]
        }
        groups = self._db[names.PLAY_COUNTS].aggregate(
            [
                {"$match": match},
                {
                    "$group": {
                        "_id": "$track_id",
                        "all": {"$sum": "$plays"},
                        "week": {"$sum": {"$cond": [in_week, "$plays", 0]}},
                    }
                },
            ]
        )
        found = {g["_id"]: (g["week"], g["all"]) for g in groups}
        wanted = tracks
        if wanted is None:
            wanted = [d["_id"] for d in self._db[names.SONGS].find({}, {"_id": 1})]
        updates = (
            UpdateOne({"_id": track}, {"$set": {"plays_7d": week, "plays_cumulative": total}})
            for track in wanted
            for week, total in [found.get(track, (0, 0))]
        )
        self._write(names.SONGS, updates)

    def _write(self, collection: str, updates: Iterable[UpdateOne]) -> int:
        written = 0
        iterator: Iterator[UpdateOne] = iter(updates)
        while batch := list(islice(iterator, BATCH)):
            self._db[collection].bulk_write(batch, ordered=False)
            written += len(batch)
        return written
