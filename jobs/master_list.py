"""A master list, songs or users: from files below `landing/` to `master/` and MongoDB."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.fields import Field
from jobs.contract.settings import Settings, load_settings
from jobs.imports.files import fetch
from jobs.phases import summary
from jobs.session import spark_session
from jobs.songs.decide import account, kept, rejected
from jobs.songs.sources import ENDINGS, catalogue_files, landing_name, read_source
from jobs.songs.summary import lines
from jobs.stores import lake
from jobs.stores.documents import Documents
from jobs.stores.lease import lake_writer
from jobs.stores.objects import Objects

MAX_FILE_BYTES = 10_000_000_000


@dataclass(frozen=True)
class MasterList:
    """What songs and users differ in. `landing`, `master` and `rejected` are lake paths."""

    job: str
    name: str
    landing: str
    master: str
    rejected: str
    fields: tuple[Field, ...]
    rows: Callable[[DataFrame], DataFrame]
    """One source file -> its rows, repaired or with a reason."""
    choose: Callable[[DataFrame], DataFrame]
    """The rows of all files -> the same rows, one per id without a reason."""
    upsert: Callable[[Documents, Iterable[Mapping[str, Any]]], int]
    needed: bool
    """Without a file: an error, or nothing to do."""
    allowed: Callable[[Settings, DataFrame], DataFrame] = lambda _, rows: rows
    """The rows of all files -> those that may be in the lake at all."""


def run(what: MasterList, argv: Sequence[str] | None, about: str | None) -> int:
    """Land the files of `--input`, then write the list anew; 1 and a sentence if that fails."""
    args = _arguments(what, argv, about)
    started = time.monotonic()
    try:
        settings = load_settings()
        files = _landed(what, settings, args.input)
        if not files:
            print(f"{what.landing}/ has no file with {what.name}, and needs none: nothing to do")
            return 0
        spark = spark_session(settings, what.job)
        try:
            _write(spark, settings, what, files, started)
        finally:
            spark.stop()
    except NocturneError as error:
        print(f"{what.job}: {error}", file=sys.stderr)
        return 1
    return 0


def _landed(what: MasterList, settings: Settings, inputs: list[str]) -> list[str]:
    objects = Objects(settings)
    for source in inputs:
        key = f"{what.landing}/{landing_name(source)}"
        with tempfile.TemporaryDirectory(prefix="nocturne-") as folder:
            local = fetch(source, Path(folder), MAX_FILE_BYTES, objects)
            objects.upload(settings.lake_bucket, key, local)
        print(f"{source} -> {key}")
    keys = objects.keys(settings.lake_bucket, f"{what.landing}/")
    files, others = catalogue_files(keys, what.landing)
    for key in others:
        print(f"{key}: left out, its ending is none of {', '.join(ENDINGS)}")
    if what.needed and not files:
        raise BadInput(
            f"{settings.lake_bucket}/{what.landing}/ has no file with {what.name}: put one there, "
            "or give one with --input"
        )
    return files


def _write(
    spark: SparkSession, settings: Settings, what: MasterList, files: list[str], started: float
) -> None:
    sources = [read_source(spark, lake.url(settings, file), file) for file in files]
    rows = reduce(DataFrame.unionByName, [what.rows(source) for source in sources])
    decided = what.choose(what.allowed(settings, rows)).persist()
    accounts = [(row.source_file, row.reason, row.rows) for row in account(decided).collect()]
    rows_in = sum(rows for *_, rows in accounts)
    rows_out = sum(rows for _, reason, rows in accounts if reason is None)
    winners = kept(decided, what.fields)
    with lake_writer(settings, what.job):
        lake.overwrite(rejected(decided), lake.url(settings, what.rejected))
        if rows_out:
            lake.overwrite(winners, lake.url(settings, what.master))
    if rows_out:
        documents = Documents(settings)
        documents.ensure_indexes()
        what.upsert(documents, (row.asDict() for row in winners.toLocalIterator()))
    seconds = time.monotonic() - started
    print(*lines(accounts, what.name), sep="\n")
    print(summary(what.job, rows_in, rows_out, rows_in - rows_out, seconds), flush=True)
    if not rows_out:
        raise BadInput(f"no row could be used, so the {what.name} stay: see {what.rejected}")


def _arguments(
    what: MasterList, argv: Sequence[str] | None, about: str | None
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"{what.job}.py",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="PATH_OR_URL",
        help=f"copy this file to {what.landing}/ first (local path, http(s):// or s3a:// URL); "
        "it replaces one of the same name; may be repeated",
    )
    return parser.parse_args(argv)
