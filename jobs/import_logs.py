"""Listening logs of the past, from files or URLs -> raw/logs and quarantine/logs.

Every row of a source becomes one event in raw/logs or one row in quarantine/logs with its
reason. A file is known by its bytes and by how it is read: importing it again changes nothing,
also after a kill halfway. Of a file that was mended since, only what is new is added. gzip, zip
and tar files are unpacked; text has one row per line.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.events import EVENT, Source
from jobs.contract.fields import names
from jobs.contract.names import LANDING_LOGS, QUARANTINE_LOGS, RAW_LOGS
from jobs.contract.settings import Settings, load_settings
from jobs.imports.files import fetch, safe_name, unpack
from jobs.imports.layout import look
from jobs.recount import recount
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.lease import Lease, lake_writer
from jobs.stores.objects import Objects
from jobs.stream.formats import FORMATS, Reading, Shape, read_events
from jobs.stream.identify import imported
from jobs.stream.validate import accepted, refused

VERSION = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Import each path in turn; exit 1 with one sentence where a file cannot be used."""
    args = _arguments(argv)
    try:
        settings = load_settings()
        for path in args.paths:
            import_log(settings, path, args.format, args.reading, int(args.max_gb * 1e9))
    except NocturneError as error:
        print(f"import_logs: {error}", file=sys.stderr)
        return 1
    return 0


def import_log(settings: Settings, source: str, name: str, asked: Reading, max_bytes: int) -> None:
    """Import one file, unless it was imported before, and print what became of its rows."""
    started = time.monotonic()
    objects = Objects(settings)
    with tempfile.TemporaryDirectory(prefix="nocturne-import-") as folder:
        packed = fetch(source, Path(folder), max_bytes, objects)
        files = unpack(packed, Path(folder), max_bytes)
        readings = choose(files, name, asked)
        import_id = identity_of(packed, name, asked)
        print(f"{source}: import {import_id}", flush=True)
        spark = spark_session(settings, "import_logs")
        # A copy of what was imported may be gone because a listener of it was erased.
        if _is_imported(spark, settings, import_id):
            print(f"{source}: already imported, nothing was changed")
            return
        landed = [
            (_land(objects, settings, import_id, file), how) for file, how in readings.items()
        ]
    with lake_writer(settings, "import_logs") as lease:
        lake.ensure_log_tables(spark, settings)
        if _is_imported(spark, settings, import_id):
            print(f"{source}: already imported, nothing was changed")
            return
        events = imported(_rows(spark, landed, name), import_id, datetime.now(UTC)).persist()
        new = without_known(accepted(events), _there(spark, settings, events)).persist()
        _append(settings, lease, import_id, new, refused(events))
        print(f"counts: {recount(spark, settings, datetime.now(UTC).date())}")
        print(*_summary(events, new.count()), sep="\n")
        new.unpersist()
        events.unpersist()
    print(f"seconds: {time.monotonic() - started:.1f}")


def choose(files: list[Path], name: str, asked: Reading) -> dict[Path, Reading]:
    """Return how each file is to be read; in an archive, files of no such format are left out."""
    readings, errors = {}, []
    for file in files:
        try:
            readings[file] = look(file, name, asked)
        except BadInput as bad:
            errors.append(bad)
    if not readings:
        raise errors[0]
    for error in errors:
        print(f"left out: {error}")
    return readings


def identity_of(path: Path, name: str, asked: Reading) -> str:
    """Return the id of an import: SHA-256 of the file's bytes and of how they are read."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps([name, asdict(asked)], sort_keys=True).encode())
    return digest.hexdigest()


def _land(objects: Objects, settings: Settings, import_id: str, file: Path) -> str:
    key = f"{LANDING_LOGS}/{import_id}/{safe_name(file.name)}"
    objects.upload(settings.lake_bucket, key, file)
    return lake.url(settings, key)


def _rows(spark: SparkSession, landed: list[tuple[str, Reading]], name: str) -> DataFrame:
    ways: dict[Reading, list[str]] = {}
    for address, reading in landed:
        ways.setdefault(reading, []).append(address)
    parts = [
        read_events(_read(spark, addresses, reading), FORMATS[name], reading)
        for reading, addresses in ways.items()
    ]
    return reduce(DataFrame.unionByName, parts)


def _read(spark: SparkSession, addresses: list[str], reading: Reading) -> DataFrame:
    if reading.shape is Shape.PARQUET:
        return spark.read.parquet(*addresses)
    return spark.read.text(addresses)


def without_known(events: DataFrame, there: DataFrame) -> DataFrame:
    """Return the events that are not `there` (date, event_id) already."""
    return events.join(there, ["date", "event_id"], "left_anti").select(*events.columns)


def _there(spark: SparkSession, settings: Settings, events: DataFrame) -> DataFrame:
    days = events.agg(F.min("date").alias("first"), F.max("date").alias("last")).first()
    rows = lake.read_table(spark, settings, RAW_LOGS).select("date", "event_id")
    return rows.where(F.col("date").between(days["first"], days["last"]))


def _append(
    settings: Settings, lease: Lease, import_id: str, new: DataFrame, wrong: DataFrame
) -> None:
    # One task writes all of a day, so each day gets one file, in the order of time.
    days = new.repartition("date").sortWithinPartitions("date", "timestamp")
    for rows, path in ((days, RAW_LOGS), (wrong, QUARANTINE_LOGS)):
        lease.check()
        lake.append_once(rows, lake.url(settings, path), _app_id(import_id), VERSION)


def _summary(events: DataFrame, new: int) -> list[str]:
    counts = events.groupBy("reason").agg(
        F.count("*").alias("rows"), F.min("date").alias("first"), F.max("date").alias("last")
    )
    found = {row["reason"]: row for row in counts.collect()}
    valid = found.pop(None, None)
    taken, rejected = valid["rows"] if valid else 0, sum(row["rows"] for row in found.values())
    return [
        f"rows read: {taken + rejected}",
        f"rows in raw/logs: {taken}",
        *([f"  of which were there already: {taken - new}"] if taken > new else []),
        f"rows rejected: {rejected}",
        *[f"  {reason}: {row['rows']}" for reason, row in sorted(found.items())],
        f"dates: {valid['first']} to {valid['last']}" if valid else "dates: none",
    ]


def _is_imported(spark: SparkSession, settings: Settings, import_id: str) -> bool:
    tables = (lake.url(settings, path) for path in (RAW_LOGS, QUARANTINE_LOGS))
    app_id = _app_id(import_id)
    return all(lake.committed_version(spark, table, app_id) >= VERSION for table in tables)


def _app_id(import_id: str) -> str:
    return f"import:{import_id}"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    formats = "\n".join(f"  {name:13} {fmt.about}" for name, fmt in FORMATS.items())
    parser = argparse.ArgumentParser(
        prog="import_logs.py",
        description=f"{__doc__}\nformats:\n{formats}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH_OR_URL", help="local path, http(s):// or s3a:// URL")
    add("--format", required=True, choices=FORMATS)
    add("--source", default=Source.REAL_USER, choices=[str(source) for source in Source])
    add("--max-gb", type=float, default=10.0, help="refuse a file larger than this (10)")
    only = parser.add_argument_group("only with --format columns")
    add = only.add_argument
    add("--map", default="", metavar="FIELD=COLUMN,...", help="user_id, track_id, timestamp, ...")
    add("--timestamp-unit", default="s", choices=("s", "ms", "iso"), help="default: s")
    add("--delimiter", default=",", help="one character, or tab (default: a comma)")
    add("--no-header", action="store_true", help="columns are numbers from 1")
    args = parser.parse_args(argv)
    args.reading = _reading(parser, args)
    return args


def _reading(parser: argparse.ArgumentParser, args: argparse.Namespace) -> Reading:
    pairs = [tuple(pair.split("=", 1)) for pair in args.map.split(",") if pair]
    if unknown := [pair[0] for pair in pairs if len(pair) != 2 or pair[0] not in names(EVENT)]:
        parser.error(f"--map takes FIELD=COLUMN with a field of an event, not {unknown[0]}")
    delimiter = "\t" if args.delimiter in ("tab", r"\t") else args.delimiter
    if len(delimiter) != 1:
        parser.error("--delimiter takes one character, or tab")
    if (args.format == "columns") != bool(pairs):
        parser.error("--map goes with --format columns, and that needs it")
    return Reading(
        source=args.source,
        columns=tuple((field, column) for field, column in pairs),
        timestamp_unit=args.timestamp_unit,
        delimiter=delimiter,
        has_header=not args.no_header,
    )


if __name__ == "__main__":
    sys.exit(main())
