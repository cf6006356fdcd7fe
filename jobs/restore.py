"""Restore a backup: MongoDB, the generations, Milvus, recent plays, and last what is live.

The backup is checked whole before anything is changed. A stack that is not empty is refused unless
told --replace, which takes away what the backup does not have. Erasures and revoked tokens of the
running stack always stay, and whoever was erased since the backup is taken out of what it brings
back. Until the end nothing is live: the app answers with popular songs. An interrupted restore is
run again, as it was. See infra/runbooks/backup.md.
"""

import argparse
import getpass
import json
import mimetypes
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, timedelta
from pathlib import Path

from jobs.backup import RESTORING, ROOT
from jobs.contract import names
from jobs.contract.backups import DOCUMENTS, RECENT, BackupManifest, documents_part
from jobs.contract.erasure import Erased
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.erase_files import ServedTraces
from jobs.phases import Progress
from jobs.publish import Publisher
from jobs.restore_index import RestoredIndex
from jobs.stores.away import stores_named
from jobs.stores.backups import backups, read_backup, verify
from jobs.stores.cache import Cache, Kept
from jobs.stores.documents import Documents
from jobs.stores.dumps import MERGED, Dumps
from jobs.stores.erasures import Erasures
from jobs.stores.generations import Generations, Pointer
from jobs.stores.lake_versions import lake_tables
from jobs.stores.lease import lake_writer
from jobs.stores.objects import Objects
from jobs.stores.vectors import Vectors

CLOCKS = timedelta(minutes=10)
"""What the clock of whoever erased may differ from that of whoever backed up."""
HALF = "nothing is live until a restore ended well"


class Restore:
    """Brings one backup into one deployment."""

    def __init__(
        self, settings: Settings, folder: Path, manifest: BackupManifest, stores: ExitStack
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._manifest = manifest
        self._dumps = stores.enter_context(closing(Dumps(settings)))
        self._generations = stores.enter_context(closing(Generations(settings)))
        self._cache = stores.enter_context(closing(Cache(settings)))
        self._vectors = stores.enter_context(closing(Vectors(settings)))
        self._objects = Objects(settings)

    def refuse_what_is_there(self) -> None:
        """Raise BadInput unless the stack is empty, or this very backup was half restored."""
        pointer = self._generations.live()
        if pointer.why.get(RESTORING) == self._folder.name:
            print("restore: an interrupted restore of this backup goes on", flush=True)
            return
        there = [f"{n:,} documents in {name}" for name, n in self._dumps.filled().items()]
        objects = len(self._objects.keys(self._settings.lake_bucket, f"{names.MODELS}/"))
        there += [f"{objects:,} objects in {names.MODELS}/"] if objects else []
        there += [f"Milvus has {generation}" for generation in self._vectors.generations()]
        if there:
            raise BadInput(
                f"this stack is not empty: {', '.join(there[:4])}. To put the backup in the place "
                "of what is there: --replace (make restore FROM=... OPTIONS=--replace)"
            )

    def compare_lake(self) -> None:
        """Say how the lake that is there differs from the one that the backup belongs to."""
        now = lake_tables(self._settings)
        for path, then in self._manifest.lake.items():
            found = now.get(path)
            if found is None:
                said = f"the lake has no {path}; the backup knew its version {then.version}"
            elif found.id != then.id:
                said = f"{path} is another table than the one that the backup knew"
            elif found.version < then.version:
                said = (
                    f"the lake has not reached the backup: {path} is at version {found.version}, "
                    f"the backup knew {then.version}"
                )
            else:
                continue
            print(f"restore: warning: {said}", flush=True)

    def run(self) -> list[str]:
        """Restore every part; return what could not be tidied up afterwards.

        Every step can be repeated, and what a killed run left is written over.
        """
        # Who erases, maintains or counts meanwhile would meet half of it.
        print("restore: waiting for the stream to give way", flush=True)
        with lake_writer(self._settings, "restore"):
            self._suspend()
            self._collections()
            self._models()
            self._recent()
            self._forget_the_erased()
            with ExitStack() as stores:
                RestoredIndex(self._settings, stores).build(self._manifest.live)
            return self._make_live()

    def _suspend(self) -> Pointer:
        why = {RESTORING: self._folder.name}
        return self._generations.suspend(self._manifest.fence, **why)

    def _collections(self) -> None:
        prefix = f"{DOCUMENTS}/"
        here = [Path(part).stem for part in self._manifest.parts if part.startswith(prefix)]
        # First what no restore may lose: a killed one has it, too.
        for name in sorted(here, key=lambda name: name not in MERGED):
            part = documents_part(name)
            path, documents = self._folder / part, self._manifest.parts[part].items
            if name in MERGED:
                merged = self._dumps.merge(name, path)
                print(
                    f"restore: {name}: {merged:,} of {documents:,} documents are newer", flush=True
                )
            else:
                self._dumps.replace(name, path)
                print(f"restore: {name}: {documents:,} documents", flush=True)
        for name in self._dumps.drop_all_but(here):
            print(f"restore: {name} is not in the backup and was removed", flush=True)
        with closing(Documents(self._settings)) as documents_store:
            documents_store.ensure_indexes()
            documents_store.renew_catalogue()

    def _models(self) -> None:
        bucket, prefix = self._settings.lake_bucket, f"{names.MODELS}/"
        keys = [part for part in self._manifest.parts if part.startswith(prefix)]
        progress = Progress("restore: generations", len(keys), "files")
        for done, key in enumerate(keys, 1):
            kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
            self._objects.upload(bucket, key, self._folder / key, kind)
            progress.step(done)
        other = sorted(set(self._objects.keys(bucket, prefix)) - set(keys))
        removed = self._objects.delete(bucket, other)
        print(f"restore: {prefix}: {len(keys):,} files, {removed:,} others removed", flush=True)

    def _recent(self) -> None:
        self._cache.forget_copies()
        written = self._cache.put_back(self._kept())
        all_keys = self._manifest.parts[RECENT].items
        print(f"restore: recent plays and choices: {written:,} of {all_keys:,} keys", flush=True)

    def _kept(self) -> Iterator[Kept]:
        with (self._folder / RECENT).open() as file:
            for line in file:
                yield Kept(**json.loads(line))

    def _forget_the_erased(self) -> None:
        """Take out whoever was erased since the backup, or is to be: files, vectors and lists.

        Their plays are in the lake, which no restore touches: there a request that was applied is
        done, and one that waits is applied by tonight's `erase --pending`.
        """
        since = (self._manifest.created_at - CLOCKS).astimezone(UTC)
        with closing(Erasures(self._settings)) as erasures:
            erased = erasures.pending() + erasures.applied_since(since)
        if erased:
            traces = ServedTraces(self._settings, Erased(erased))
            found = sum(traces.found().values())
            traces.remove()
            print(f"restore: {len(erased)} erased since the backup: {found} traces removed")

    def _make_live(self) -> list[str]:
        live, at = self._manifest.live, self._manifest.published_at
        # Once more: what was published meanwhile is not in the stores any longer.
        suspended = self._suspend()
        if live is None:
            print("restore: nothing was live, so nothing is: publish a generation", flush=True)
            self._generations.suspend(suspended.fence)
            return []
        reason = f"restored from the backup of {self._manifest.created_at:%Y-%m-%d %H:%M} UTC"
        with closing(Publisher(self._settings)) as publisher:
            return publisher.resume(live, suspended, at, getpass.getuser(), reason)


def restore(settings: Settings, folder: Path, replace: bool) -> list[str]:
    """Restore a backup; raises BadInput, with nothing changed, where it cannot be.

    Returns what could not be tidied up afterwards.
    """
    manifest = read_backup(folder)
    print(
        f"restore: {folder}, of {manifest.created_at:%Y-%m-%d %H:%M} UTC, made by "
        f"{manifest.code_version}, {len(manifest.parts)} files: checking them",
        flush=True,
    )
    verify(folder, manifest)
    with ExitStack() as stores:
        under_way = Restore(settings, folder, manifest, stores)
        if not replace:
            under_way.refuse_what_is_there()
        under_way.compare_lake()
        try:
            warnings = under_way.run()
        except BaseException:
            print(f"restore: not done: {HALF}. Run it again", file=sys.stderr)
            raise
    since = f"{manifest.created_at:%Y-%m-%d %H:%M} UTC"
    print(
        f"restore: erasures and revocations asked for after {since} are known here only if this "
        "stack had them: make erase and make revoke for the others"
    )
    return warnings


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, where the backup is not restored."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("backup", nargs="?", default="", help="the folder of a backup")
    parser.add_argument("--replace", action="store_true", help="in the place of what is there")
    args = parser.parse_args(argv)
    started = time.monotonic()
    try:
        if not args.backup:
            there = ", ".join(map(str, backups(ROOT))) or "none yet"
            raise BadInput(f"which backup? make restore FROM=<folder>. In {ROOT}: {there}")
        with stores_named(HALF):
            for warning in restore(load_settings(), Path(args.backup), args.replace):
                print(f"restore: warning: {warning}", file=sys.stderr)
    except NocturneError as error:
        print(f"restore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("restore: interrupted", file=sys.stderr)
        return 130
    print(f"restore: done, {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
