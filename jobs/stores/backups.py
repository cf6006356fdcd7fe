"""Folders of backups: one per backup, named by its moment, whole when it has its manifest."""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from jobs.contract.backups import FORMAT, MANIFEST, BackupManifest, Part
from jobs.contract.errors import BadInput

NAME = re.compile(r"\d{8}T\d{6}Z")


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Let nobody else write a backup into this folder until the end of the block."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"another backup is being written to {root}: wait for its end") from None
        yield


class NewBackup:
    """A backup that is being written; the caller is `writing`."""

    def __init__(self, root: Path, moment: datetime) -> None:
        self.folder = root / f"{moment:%Y%m%dT%H%M%SZ}"
        self.folder.mkdir(mode=0o700)
        self._parts: dict[str, Part] = {}

    def file(self, name: str) -> Path:
        """Return where to write the part of this name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def add(self, name: str, items: int) -> Part:
        """Take in a part that was written, with how many items it has."""
        self._parts[name] = _part(self.folder / name, items)
        return self._parts[name]

    @property
    def parts(self) -> dict[str, Part]:
        """Return what was taken in so far."""
        return dict(self._parts)

    def finish(self, manifest: BackupManifest) -> None:
        """Write the manifest, once everything else is surely on the disk."""
        os.sync()
        half = self.folder / f"{MANIFEST}.half"
        with half.open("w") as file:
            file.write(manifest.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        half.rename(self.folder / MANIFEST)

    def discard(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_backup(folder: Path) -> BackupManifest:
    """Return a backup's manifest; raises BadInput where there is none that can be restored."""
    try:
        said = json.loads((folder / MANIFEST).read_text())
        made_as = int(said["format"])
    except FileNotFoundError:
        raise BadInput(
            f"{folder} is no backup, or one that was not finished: it has no {MANIFEST}. "
            f"{_there_are(folder.parent)}"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder / MANIFEST} is broken: {error}") from None
    if made_as > FORMAT:
        raise BadInput(
            f"{folder} was made by a newer Nocturne, {said.get('code_version')}, as format "
            f"{made_as}; this one knows formats up to {FORMAT}: restore it with that version"
        )
    try:
        return BackupManifest.model_validate(said)
    except ValidationError as error:
        raise BadInput(f"{folder / MANIFEST} is broken: {error.errors()[0]['msg']}") from None


def verify(folder: Path, manifest: BackupManifest) -> None:
    """Raise BadInput, with the names, unless every part is as it was written."""
    wrong = []
    for name, part in manifest.parts.items():
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif _part(path, part.items) != part:
            wrong.append(f"{name} has other bytes")
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BadInput(
            f"{folder} is damaged, nothing was restored: {'; '.join(wrong[:3])}{more}. "
            f"{_there_are(folder.parent)}"
        )


def backups(root: Path) -> list[Path]:
    """Return the whole backups of a folder, the oldest first."""
    return [path for path in _folders(root) if (path / MANIFEST).exists()]


def prune(root: Path, keep: int) -> list[Path]:
    """Delete all but the newest whole backups, and what others left half; return what went.

    The caller is `writing`.
    """
    kept = backups(root)[-keep:]
    doomed = [path for path in _folders(root) if path not in kept]
    for path in doomed:
        shutil.rmtree(path)
    return doomed


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.glob("*") if NAME.fullmatch(p.name) and p.is_dir())


def _part(path: Path, items: int) -> Part:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Part(bytes=path.stat().st_size, sha256=digest, items=items)


def _there_are(root: Path) -> str:
    found = backups(root) if root.is_dir() else []
    there = ", ".join(str(path) for path in found[-5:])
    return f"Whole ones: {there}" if there else f"There is no whole one in {root}"
