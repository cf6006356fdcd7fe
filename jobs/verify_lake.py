"""Prove that the lake has every Kafka offset once: in raw/logs, quarantine/logs or removed.

Reads the lake alone; the stream is held for the moment in which the tables' versions are chosen.
Exits 1 where an offset is missing or held twice, and names the first ones.
"""

import argparse
import sys
import time

from pyspark.sql import DataFrame, SparkSession

from jobs.contract.errors import LakeBroken
from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS, REMOVED_OFFSETS
from jobs.contract.settings import Settings
from jobs.maintenance.duplicates import later_copies
from jobs.maintenance.offsets import Offsets, by_bucket, holes, judge, places, repeats
from jobs.session import run_job
from jobs.stores import lake
from jobs.stores.lease import lake_writer

SHOWN = 20
TABLES = (RAW_LOGS, QUARANTINE_LOGS, REMOVED_OFFSETS)


def verify(spark: SparkSession, settings: Settings) -> None:
    """Print the findings; raises LakeBroken where an offset is missing or held twice."""
    with lake_writer(settings, "verify_lake"):  # between two micro-batches the tables agree
        lake.ensure_log_tables(spark, settings)
        versions = {path: lake.table_version(spark, lake.url(settings, path)) for path in TABLES}
    logs, quarantine, removed = (
        lake.read_table(spark, settings, path, version) for path, version in versions.items()
    )
    rows = [table.count() for table in (logs, quarantine)]
    offsets = places(logs, quarantine, removed)
    found = judge(by_bucket(offsets).collect())
    print(table_of(found), end="")
    imported = sum(t.where("kafka_offset IS NULL").count() for t in (logs, quarantine))
    print(f"{RAW_LOGS}: {rows[0]} rows; {QUARANTINE_LOGS}: {rows[1]} rows; imported: {imported}")
    print(f"later copies of an event_id, for tonight's maintenance: {later_copies(logs).count()}")
    broken = [f for f in found if f.missing or f.repeated]
    if broken:
        _show("missing", holes(offsets))
        _show("held twice", repeats(offsets))
        raise LakeBroken(
            f"{sum(f.missing for f in broken)} offsets are missing and "
            f"{sum(f.repeated for f in broken)} are held more than once: see "
            "infra/runbooks/maintain_lake.md"
        )
    print(f"every offset once: {sum(f.rows for f in found)} in {len(found)} partitions")


def table_of(found: list[Offsets]) -> str:
    """Return the findings as a table, one line per Kafka partition."""
    lines = [
        f"{'partition':>9} {'first':>10} {'last':>10} {'rows':>10} {'missing':>8} {'twice':>6}"
    ]
    lines += [
        f"{f.partition:9} {f.first:10} {f.last:10} {f.rows:10} {f.missing:8} {f.repeated:6}"
        for f in found
    ]
    return "\n".join(lines) + "\n"


def _show(what: str, rows: DataFrame) -> None:
    for row in rows.limit(SHOWN).collect():
        print(f"{what}: {row.asDict()}")


def main(argv: list[str] | None = None) -> int:
    """Verify the lake of this deployment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(argv)
    started = time.monotonic()
    status = run_job("verify_lake", verify)
    if status == 0:
        print(f"verified in {time.monotonic() - started:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
