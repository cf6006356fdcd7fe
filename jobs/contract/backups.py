"""A backup: what its manifest, which is written last, says of it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

FORMAT = 1
"""Grows when a backup is laid out in a way that older code cannot restore."""

DOCUMENTS = "mongo"
RECENT = "redis.jsonl"
MANIFEST = "manifest.json"
"""What is in the folder, besides the objects of `models/` under their own keys."""


class Part(BaseModel):
    """One file: `items` are its documents, keys or rows; an object of the lake is one."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str
    items: int


class LakeTable(BaseModel):
    """A Delta table by the id that it was made with, and its newest version."""

    model_config = ConfigDict(frozen=True)

    id: str | None
    version: int


class BackupManifest(BaseModel):
    """What was backed up. Nothing was read before `created_at`, nothing after `ended_at`.

    `live` is the generation that the pointer named, since `published_at`, with its `fence`.
    `lake` has the tables by path, `parts` the files by name.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    created_at: datetime
    ended_at: datetime
    code_version: str
    live: str | None
    published_at: datetime | None
    fence: int
    lake: dict[str, LakeTable]
    parts: dict[str, Part]


def documents_part(collection: str) -> str:
    """Return the file with the documents of a collection: BSON, one behind the other."""
    return f"{DOCUMENTS}/{collection}.bson"
