"""MongoDB: plays per song and day, and the counts in `songs` that follow from them.

One document per song: `days` {date: plays} of the last weeks, `older` (all plays before
those), and which micro-batch of the stream changed it last.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from pymongo import ReplaceOne, UpdateOne
from pymongo.collection import Collection

from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, bulk_write, database, in_batches
from jobs.stores.once import has_counted, replace_once

KEPT_DAYS = 30
"""Longer than events may be late, so that a late one still counts on its own day."""
WEEK_DAYS = 7
IDS_PER_QUERY = 100

DayPlays = tuple[str, date, int]
"""Track id, UTC day, plays."""


class PlayCounts:
    """Counts of `listen` events. The stream adds to them, the nightly job sets them right."""

    def __init__(self, settings: Settings) -> None:
        db = database(settings, timeout_ms=60_000)
        self._counts = db[names.PLAY_COUNTS]
        self._songs = db[names.SONGS]

    def add(self, plays: Iterable[DayPlays], app_id: str, batch: int, today: date) -> None:
        """Add one micro-batch's plays, once, however often it is repeated, and refresh its songs.

        Raises LeaseLost when another writer changed a document meanwhile.
        """
        by_track: dict[str, dict[str, int]] = defaultdict(dict)
        for track, day, count in plays:
            by_track[track][day.isoformat()] = count
        counts = {d["_id"]: d for d in self._find(self._counts, sorted(by_track))}
        changed = {
            track: _with_plays(counts.get(track) or {"_id": track, "older": 0, "days": {}}, days)
            for track, days in by_track.items()
            if not has_counted(counts.get(track), app_id, batch)
        }
        counts |= replace_once(self._counts, counts, changed, app_id, batch)
        self._set_songs({track: _totals(counts[track], today) for track in by_track})

    def set_all(self, plays: Iterable[DayPlays], today: date, app_id: str, batch: int) -> int:
        """Set every song's plays to what the lake holds; return the number of songs.

        `batch` is the last one of `app_id` in the lake, so that the stream, when it repeats
        that batch, does not add it again. Songs that the lake no longer has are removed.
        """
        oldest = today - timedelta(days=KEPT_DAYS)
        documents: dict[str, Document] = {}
        for track, day, count in plays:
            document = documents.setdefault(
                track, {"older": 0, "days": {}, "app_id": app_id, "batch": batch}
            )
            if day < oldest:
                document["older"] += count
            else:
                document["days"][day.isoformat()] = count
        replaced = (ReplaceOne({"_id": t}, d, upsert=True) for t, d in documents.items())
        written = bulk_write(self._counts, replaced)
        gone = {d["_id"] for d in self._counts.find({}, {"_id": 1})} - documents.keys()
        for ids in in_batches(sorted(gone), IDS_PER_QUERY):
            self._counts.delete_many({"_id": {"$in": ids}})
        return written

    def refresh_songs(self, today: date) -> int:
        """Set `plays_7d` and `plays_cumulative` of every song; return how many changed.

        `plays_7d` holds today and the six days before, so it falls also when nobody listens.
        A track that is no song yet is left out, and counted when it has become one.
        """
        counts = {d["_id"]: _totals(d, today) for d in self._counts.find()}
        return self._set_songs(
            {
                song["_id"]: wanted
                for song in self._songs.find({}, {"plays_7d": 1, "plays_cumulative": 1})
                for wanted in [counts.get(song["_id"], {"plays_7d": 0, "plays_cumulative": 0})]
                if any(song.get(name) != value for name, value in wanted.items())
            }
        )

    def _set_songs(self, totals: dict[str, dict[str, int]]) -> int:
        writes = (UpdateOne({"_id": track}, {"$set": wanted}) for track, wanted in totals.items())
        return bulk_write(self._songs, writes)

    def close(self) -> None:
        """End the connections."""
        self._songs.database.client.close()

    @staticmethod
    def _find(collection: Collection[Document], ids: list[str]) -> Iterator[Document]:
        for some in in_batches(ids, IDS_PER_QUERY):
            yield from collection.find({"_id": {"$in": some}})


def _with_plays(document: Document, days: dict[str, int]) -> Document:
    old = document["days"]
    return document | {"days": old | {day: old.get(day, 0) + n for day, n in days.items()}}


def _totals(document: Document, today: date) -> dict[str, int]:
    first = (today - timedelta(days=WEEK_DAYS - 1)).isoformat()
    days: dict[str, int] = document["days"]
    return {
        "plays_7d": sum(n for day, n in days.items() if first <= day <= today.isoformat()),
        "plays_cumulative": document["older"] + sum(days.values()),
    }
