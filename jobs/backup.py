"""Back up what cannot be made again cheaply, into a folder of its own below --to.

That is MongoDB, the generations in the lake (`models/`), recent plays in Redis, and which version
every table of the lake had. Not in it: the lake itself, audio, Kafka, secrets. Milvus is built
again from the generations. The stack goes on meanwhile. The folder holds what listeners did and
chose: only its owner may read it. See infra/runbooks/backup.md.
"""

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from jobs.code_version import code_version
from jobs.contract import names
from jobs.contract.backups import RECENT, BackupManifest, documents_part
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.phases import Progress
from jobs.stores.away import stores_named
from jobs.stores.backups import NewBackup, prune, writing
from jobs.stores.cache import Cache
from jobs.stores.dumps import MERGED, Dumps
from jobs.stores.generations import Generations, Pointer
from jobs.stores.lake_versions import lake_tables
from jobs.stores.objects import Objects

ROOT = Path("backups")
TRIES = 3
RESTORING = "restoring"
"""What the pointer's `why` says while a restore is under way: the name of its backup."""


class GenerationGone(NocturneError):
    """A generation that could be live was removed while it was copied."""


class Backup:
    """Copies one deployment. It is no snapshot, so the order matters:

    1. The pointer and the generations come first, then what belongs to them. Whoever removes a
       generation marks it `gone` before anything of it goes (publish, build_index): one that could
       be live at the start and is not gone at the end is whole in the copy. A generation that is
       published meanwhile is in the copy as it was at the start: not live.
    2. The erasures come last. Whoever is erased meanwhile may be in what was copied before, and is
       named by them: a restore takes them out again.
    """

    def __init__(self, settings: Settings, new: NewBackup, stores: ExitStack) -> None:
        self._settings = settings
        self._new = new
        self._dumps = stores.enter_context(closing(Dumps(settings)))
        self._generations = stores.enter_context(closing(Generations(settings)))
        self._cache = stores.enter_context(closing(Cache(settings)))
        self._objects = Objects(settings)

    def take(self) -> BackupManifest:
        """Copy everything, and say what was copied; raises GenerationGone."""
        created_at = datetime.now(UTC)
        pointer, servable = self._at_rest(), self._generations.servable()
        lake = lake_tables(self._settings)
        self._collections([names.GENERATIONS])
        others = [name for name in self._dumps.collections() if name != names.GENERATIONS]
        self._collections([name for name in others if name not in MERGED])
        self._models()
        self._recent()
        self._collections([name for name in others if name in MERGED])
        self._at_rest()
        gone = set(servable) - set(self._generations.servable())
        if gone:
            raise GenerationGone(f"{', '.join(sorted(gone))} was removed while it was copied")
        return BackupManifest(
            created_at=created_at,
            ended_at=datetime.now(UTC),
            code_version=code_version(self._settings),
            live=pointer.generation,
            published_at=pointer.published_at,
            fence=pointer.fence,
            lake=lake,
            parts=self._new.parts,
        )

    def _at_rest(self) -> Pointer:
        pointer = self._generations.live()
        if RESTORING in pointer.why:
            raise BadInput(
                f"{pointer.why[RESTORING]} is being restored, or that was interrupted: end it first"
            )
        return pointer

    def _collections(self, some: list[str]) -> None:
        for name in some:
            part = documents_part(name)
            documents = self._dumps.write(name, self._new.file(part))
            written = self._new.add(part, documents)
            print(f"backup: {name}: {documents:,} documents, {_size(written.bytes)}", flush=True)

    def _models(self) -> None:
        bucket = self._settings.lake_bucket
        # Hadoop leaves empty objects for folders.
        found = self._objects.keys(bucket, f"{names.MODELS}/")
        keys = [key for key in found if not key.endswith("/")]
        progress, copied, size = Progress("backup: generations", len(keys), "files"), 0, 0
        for key in keys:
            path = self._new.file(key)
            try:
                self._objects.download(bucket, key, path)
            except KeyError:  # of a training that failed, or the check at the end will tell
                continue
            size += self._new.add(key, 1).bytes
            copied += 1
            progress.step(copied)
        print(f"backup: {names.MODELS}/: {copied:,} files, {_size(size)}", flush=True)

    def _recent(self) -> None:
        keys = 0
        with self._new.file(RECENT).open("w") as file:
            for kept in self._cache.kept():
                file.write(json.dumps(asdict(kept)) + "\n")
                keys += 1
        self._new.add(RECENT, keys)
        print(f"backup: recent plays and choices: {keys:,} keys", flush=True)


def back_up(settings: Settings, root: Path, keep: int | None = None) -> Path:
    """Write one backup, keep the newest `keep` ones (None: all), and return its folder.

    What fails leaves nothing behind.
    """
    with writing(root):
        for attempt in range(1, TRIES + 1):
            new = NewBackup(root, datetime.now(UTC))
            try:
                with ExitStack() as stores:
                    manifest = Backup(settings, new, stores).take()
                new.finish(manifest)
                break
            except GenerationGone as error:
                new.discard()
                if attempt == TRIES:
                    raise
                print(f"backup: {error}: it begins again", flush=True)
                time.sleep(1)  # another name
            except BaseException:
                new.discard()
                raise
        for folder in prune(root, keep) if keep else []:
            print(f"backup: {folder} is no longer kept", flush=True)
    _conclude(new.folder, manifest)
    return new.folder


def _conclude(folder: Path, manifest: BackupManifest) -> None:
    seconds = (manifest.ended_at - manifest.created_at).total_seconds()
    size = sum(part.bytes for part in manifest.parts.values())
    tables = ", ".join(f"{path} {table.version}" for path, table in manifest.lake.items())
    print(f"backup: versions of the lake: {tables or 'there is no table'}")
    print(f"backup: live is {manifest.live or 'nothing'}")
    print(f"backup: {folder} is whole: {len(manifest.parts)} files, {_size(size)}, {seconds:.0f} s")


def _size(size: int) -> str:
    return f"{size / 1024**2:,.1f} MiB"


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, where there is no new backup."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=ROOT, help=f"where backups are ({ROOT})")
    parser.add_argument(
        "--keep", type=_at_least_one, metavar="N", help="then delete all but the newest N"
    )
    args = parser.parse_args(argv)
    os.umask(0o077)
    try:
        with stores_named("there is no new backup"):
            back_up(load_settings(), args.to, args.keep)
    except (NocturneError, OSError) as error:
        print(f"backup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("backup: interrupted, nothing was kept of it", file=sys.stderr)
        return 130
    return 0


def _at_least_one(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
