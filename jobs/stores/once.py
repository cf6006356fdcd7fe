"""MongoDB: documents that name the micro-batch which changed them last, and so count it once."""

from collections.abc import Mapping
from typing import TypeVar

from pymongo import ReplaceOne
from pymongo.collection import Collection

from jobs.contract.errors import LeaseLost
from jobs.stores.documents import BATCH, Document, in_batches

Key = TypeVar("Key", str, int)


def has_counted(document: Document | None, app_id: str, batch: int) -> bool:
    """Return whether a document has this micro-batch already: a batch that is not newer.

    A new `app_id` (after a lost checkpoint) starts over at batch 0.
    """
    return document is not None and document["app_id"] == app_id and document["batch"] >= batch


def replace_once(
    collection: Collection[Document],
    read: Mapping[Key, Document],
    changed: Mapping[Key, Document],
    app_id: str,
    batch: int,
) -> dict[Key, Document]:
    """Write `changed` in the name of a micro-batch, each over the document that was `read`.

    Returns what was written. Raises LeaseLost when another writer was there meanwhile.
    """
    written = {key: d | {"app_id": app_id, "batch": batch} for key, d in changed.items()}
    # Equalities alone: with an $or beside the id some servers read every document.
    replacements = []
    for key, document in written.items():
        old = read.get(key)
        as_read = {"app_id": old["app_id"], "batch": old["batch"]} if old else {}
        replacements.append(ReplaceOne({"_id": key} | as_read, document, upsert=not old))
    done = 0
    for some in in_batches(replacements, BATCH):
        result = collection.bulk_write(some, ordered=False)
        done += result.matched_count + result.upserted_count
    if done < len(replacements):
        raise LeaseLost(f"another writer changed {collection.name} during batch {batch}")
    return written
