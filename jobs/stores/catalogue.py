"""MongoDB, as serving reads it: songs as people see them, and listeners' vectors."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pymongo
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import PyMongoError

from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.choices import CHOICES, Choices
from jobs.stores.documents import Document, database

AWAY = (PyMongoError,)
"""What a read raises when MongoDB does not answer in time."""

Song = dict[str, Any]
"""A song as people see it: `SHOWN`, `plays_7d`, `plays_cumulative` and `playable`."""

SHOWN = (
    "title",
    "artist",
    "artist_id",
    "album",
    "genre",
    "duration_ms",
    "release_date",
    "image_url",
)
COUNTS = ("plays_7d", "plays_cumulative")
MOST_PLAYED = [("plays_cumulative", DESCENDING), ("_id", ASCENDING)]
MAX_WORDS = 8
SCAN_SECONDS = 5.0
WHOLE_SECONDS = 120.0


class Catalogue:
    """Songs and listeners of one deployment, only read. Safe to share between threads.

    `page`, `search` and `most_played` may read the whole catalogue where the server has no
    index that helps, so they may take `SCAN_SECONDS`; `titles` always does and may take
    `WHOLE_SECONDS`; the other reads are by key.
    """

    def __init__(self, settings: Settings, timeout_ms: int) -> None:
        self._seconds = timeout_ms / 1000
        self._db = database(settings, timeout_ms)
        self._songs = self._db[names.SONGS]

    def songs(self, track_ids: Iterable[str]) -> dict[str, Song]:
        """Return those of the songs that there are, by track id, in one read."""
        found = self._songs.find({"_id": {"$in": list(track_ids)}})
        return {str(d["_id"]): _shown(d) for d in found}

    def some_of_artists(self, artist_ids: Iterable[str]) -> dict[str, Song]:
        """Return one song of each artist that has any, by the artist's id, in one read."""
        found = self._songs.find({"artist_id": {"$in": list(artist_ids)}})
        return {str(d["artist_id"]): _shown(d) for d in found}

    def page(self, after: str | None, limit: int, artist_id: str | None = None) -> list[Song]:
        """Return the next songs by track id, beginning behind `after`."""
        query: Document = {} if after is None else {"_id": {"$gt": after}}
        if artist_id is not None:
            query["artist_id"] = artist_id
        return self._scan(query, [("_id", ASCENDING)], limit)

    def search(self, text: str, limit: int) -> list[Song]:
        """Return songs that have every word of `text` in title or artist, most played first.

        Case does not matter; characters that mean something in a pattern mean themselves.
        """
        words = [_containing(word) for word in text.split()[:MAX_WORDS]]
        query = {"$and": [{"$or": [{"title": word}, {"artist": word}]} for word in words]}
        return self._scan(query, MOST_PLAYED, limit) if words else []

    def version(self) -> int:
        """Return a number that is another one after each write of songs; 0 before the first."""
        found = self._db[names.CATALOGUE_STATE].find_one({"_id": names.SONGS}) or {}
        return int(found.get("version", 0))

    def titles(self) -> list[tuple[str, str]]:
        """Return every song's track id with title and artist, the most played first."""
        self.ping()
        with pymongo.timeout(WHOLE_SECONDS):
            fields = {"title": 1, "artist": 1, "plays_cumulative": 1}
            # In small batches, so that a server of one thread answers others in between.
            songs = self._songs.find({}, fields, batch_size=500)
            found = [
                (
                    -int(d.get("plays_cumulative") or 0),
                    str(d["_id"]),
                    f"{d.get('title') or ''} {d.get('artist') or ''}",
                )
                for d in songs
            ]
        return [(track_id, text) for _, track_id, text in sorted(found)]

    def most_played(self, limit: int) -> list[Song]:
        """Return the most played songs of all time."""
        return self._scan({}, MOST_PLAYED, limit)

    def _scan(self, query: Document, order: list[tuple[str, int]], limit: int) -> list[Song]:
        self.ping()  # a server that is away is noticed in the short timeout, not in the long one
        with pymongo.timeout(max(SCAN_SECONDS, self._seconds)):
            return [_shown(d) for d in self._songs.find(query).sort(order).limit(limit)]

    def others(self, excluded: Iterable[str], limit: int) -> list[Song]:
        """Return the most played of the songs that are not excluded."""
        return self._scan({"_id": {"$nin": list(excluded)}}, MOST_PLAYED, limit)

    def listener(self, generation: str | None, user_id: str) -> tuple[list[float] | None, Choices]:
        """Return the listener's vector of that generation, or None, and choices, in one read."""
        fields = {CHOICES: 1} | ({f"vectors.{generation}": 1} if generation else {})
        found = self._db[names.USERS].find_one({"_id": user_id}, fields) or {}
        vector = found.get("vectors", {}).get(generation)
        return None if vector is None else [float(x) for x in vector], found.get(CHOICES, [])

    def some_listeners(self, limit: int) -> list[dict[str, Any]]:
        """Return listeners by id: user_id, username and likes (None if unknown).

        Those with a name, or where nobody has one, those that a model was trained on.
        """
        shown = {"username": 1, "likes": 1}
        for wanted in ({"username": {"$ne": None}}, {"vectors": {"$exists": True}}):
            found = self._db[names.USERS].find(wanted, shown).sort("_id", ASCENDING).limit(limit)
            people = [
                {"user_id": str(d["_id"]), "username": d.get("username"), "likes": d.get("likes")}
                for d in found
            ]
            if people:
                return people
        return []

    def ping(self) -> None:
        """Raise one of AWAY unless MongoDB answers."""
        self._db.command("ping")

    def close(self) -> None:
        """End the connections."""
        self._db.client.close()


def _containing(word: str) -> Document:
    return {"$regex": re.escape(word), "$options": "i"}


def _shown(document: Mapping[str, Any]) -> Song:
    song = {"track_id": str(document["_id"])} | {k: document.get(k) for k in SHOWN}
    counts = {k: int(document.get(k) or 0) for k in COUNTS}
    # Where nobody has looked for its audio, a song is taken to have some.
    return song | counts | {"playable": document.get("playable") is not False}
