"""MongoDB: whole collections to files and back, byte for byte, as mongodump writes them."""

from collections.abc import Collection as Some
from collections.abc import Iterator
from pathlib import Path

from bson import decode_file_iter
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.documents import BATCH, database, in_batches

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

OF_PROCESSES = (names.LEASES, names.STREAM_HEALTH, names.STREAM_HOLDS)
"""Who runs and who waits: of the running deployment alone, so never backed up nor restored."""

POINTER = names.SERVING_STATE
"""Restored by a switch of its own, so no file has it."""

MERGED = {
    names.ERASURES: "requested_at",
    names.REVOKED_TOKENS: "ends",
    names.ALERTS: "last_at",
    names.CATALOGUE_STATE: "version",
}
"""Collections whose documents no restore takes away, and the field that says which one is newer."""

COUNTS = (names.PLAY_COUNTS, names.EVENT_COUNTS)
"""Made by the stream from the lake and from Kafka, also where nothing was restored yet."""


class Dumps:
    """The collections of one deployment."""

    def __init__(self, settings: Settings, timeout_ms: int = 600_000) -> None:
        self._db = database(settings, timeout_ms)
        self._raw = self._db.with_options(codec_options=RAW)

    def collections(self) -> list[str]:
        """Return the collections that a backup has; those that are merged come last."""
        found = set(self._db.list_collection_names()) - {*OF_PROCESSES, POINTER}
        ours = sorted(name for name in found if not name.startswith("system."))
        return sorted(ours, key=lambda name: name in MERGED)

    def filled(self) -> dict[str, int]:
        """Return how many documents a restore would take away, by collection."""
        counted = set(self.collections()) - {*MERGED, *COUNTS}
        counts = {name: self._db[name].count_documents({}) for name in sorted(counted)}
        return {name: documents for name, documents in counts.items() if documents}

    def write(self, name: str, path: Path) -> int:
        """Write a collection to a file; return how many documents it had.

        Not a snapshot: in the order of `_id` each document is read once at most, as it is when
        its turn comes.
        """
        documents = 0
        with path.open("wb") as file:
            for document in self._raw[name].find().sort("_id"):
                file.write(document.raw)
                documents += 1
        return documents

    def replace(self, name: str, path: Path) -> int:
        """Let a collection hold what the file has, and nothing else; return how many documents.

        Its indexes are gone then.
        """
        self._db.drop_collection(name)
        written = 0
        for batch in in_batches(documents_in(path), BATCH):
            self._raw[name].insert_many(batch, ordered=False)
            written += len(batch)
        return written

    def merge(self, name: str, path: Path) -> int:
        """Add the file's documents that are new, or newer than those there; return how many."""
        newer, collection = MERGED[name], self._raw[name]
        written = 0
        for document in documents_in(path):
            same = {"_id": document["_id"]}
            old = collection.find_one(same)
            if old is None or old.get(newer, 0) < document.get(newer, 0):
                collection.replace_one(same, document, upsert=True)
                written += 1
        return written

    def drop_all_but(self, kept: Some[str]) -> list[str]:
        """Remove every other collection that a restore may take away; return their names."""
        doomed = [n for n in self.collections() if n not in {*MERGED, *COUNTS, *kept}]
        for name in doomed:
            self._db.drop_collection(name)
        return doomed

    def close(self) -> None:
        """End the connections."""
        self._db.client.close()


def documents_in(path: Path) -> Iterator[RawBSONDocument]:
    """Yield the documents of a file."""
    with path.open("rb") as file:
        yield from decode_file_iter(file, RAW)
