"""Nightly care of the lake, in steps that can all be repeated.

deduplicate  later copies of an event_id move from raw/logs to quarantine/logs
compact      small files of closed days become files of NOCTURNE_LAKE_FILE_MB
vacuum       files that only versions beyond NOCTURNE_LAKE_RETENTION_DAYS need are deleted
count        play counts in MongoDB are set to what raw/logs holds

The stream is held meanwhile, and goes on by itself when the job ends or dies.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

from pyspark.sql import SparkSession

from jobs.contract.errors import NocturneError
from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS, REMOVED_OFFSETS
from jobs.contract.settings import Settings, load_settings
from jobs.maintenance.duplicates import ROW, as_quarantined, later_copies
from jobs.recount import recount
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.lease import Lease, lake_writer

SAME_REFUSAL = ["kafka_partition", "kafka_offset", "import_id", "raw"]


def deduplicate(spark: SparkSession, settings: Settings, lease: Lease, _: date) -> str:
    """Move later copies of events to quarantine; a repeat after a crash finishes the move."""
    raw, quarantine = (lake.url(settings, path) for path in (RAW_LOGS, QUARANTINE_LOGS))
    copies = later_copies(lake.read_table(spark, settings, RAW_LOGS)).persist()
    found = copies.count()
    if found:
        known = lake.read_table(spark, settings, QUARANTINE_LOGS)
        lease.check()
        lake.append(lake.without(as_quarantined(copies), known, SAME_REFUSAL), quarantine)
        lease.check()
        lake.delete_rows(spark, raw, copies, ROW)
    copies.unpersist()
    return f"{found} later copies of events moved to {QUARANTINE_LOGS}"


def compact(spark: SparkSession, settings: Settings, lease: Lease, today: date) -> str:
    """Join the small files of the days before `today`."""
    said = []
    for path in (RAW_LOGS, QUARANTINE_LOGS):
        lease.check()
        address, size = lake.url(settings, path), settings.lake_file_mb
        removed, added = lake.compact_days(spark, address, today, size)
        said.append(f"{path}: {removed} small files became {added}")
    return "; ".join(said)


def vacuum(spark: SparkSession, settings: Settings, lease: Lease, _: date) -> str:
    """Delete what only old versions of the tables need."""
    for path in (RAW_LOGS, QUARANTINE_LOGS, REMOVED_OFFSETS):
        lease.check()
        lake.vacuum(spark, lake.url(settings, path), settings.lake_retention_days * 24)
    return f"versions older than {settings.lake_retention_days} days vacuumed"


def count(spark: SparkSession, settings: Settings, _: Lease, today: date) -> str:
    """Set the play counts to the truth."""
    return recount(spark, settings, today)


STEPS: dict[str, Callable[[SparkSession, Settings, Lease, date], str]] = {
    "deduplicate": deduplicate,
    "compact": compact,
    "vacuum": vacuum,
    "count": count,
}


def maintain(settings: Settings, today: date, steps: list[str]) -> None:
    """Do the steps, in their order, under the lease; print what each did and how long it took."""
    spark = spark_session(settings, "maintain_lake")
    try:
        with lake_writer(settings, "maintain_lake") as lease:
            lake.ensure_log_tables(spark, settings)
            for step in steps:
                began = time.monotonic()
                said = STEPS[step](spark, settings, lease, today)
                took = time.monotonic() - began
                print(f"maintain_lake: {step}: {said} ({took:.0f} s)", flush=True)
    finally:
        spark.stop()


def main(argv: list[str] | None = None) -> int:
    """Run the maintenance of one night."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        default=datetime.now(UTC).date(),
        help="the day (UTC) that is still open; earlier ones are compacted; default: today",
    )
    parser.add_argument(
        "--steps",
        nargs="+",
        choices=STEPS,
        default=list(STEPS),
        metavar="STEP",
        help=f"default: {' '.join(STEPS)}",
    )
    arguments = parser.parse_args(argv)
    try:
        maintain(load_settings(), arguments.today, arguments.steps)
    except NocturneError as error:
        print(f"maintain_lake: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
