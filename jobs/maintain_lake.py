"""Nightly care of the lake: join small files of closed days, set play counts to the truth.

The stream is paused meanwhile. Every step can be repeated: compaction changes no row, and the
counts are set to what `raw/logs` holds.
"""

import argparse
import sys
import time
from datetime import UTC, date, datetime

from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS
from jobs.contract.settings import Settings, load_settings
from jobs.recount import recount
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.lease import lake_writer


def maintain(settings: Settings, today: date, compact: bool) -> None:
    """Do each step under the lease and print its figures."""
    spark = spark_session(settings, "maintain_lake")
    try:
        with lake_writer(settings, "maintain_lake"):
            lake.ensure_log_tables(spark, settings)
            if compact:
                for path in (RAW_LOGS, QUARANTINE_LOGS):
                    removed = lake.compact_days(spark, lake.url(settings, path), today)
                    print(f"maintain_lake: {path}: {removed} small files joined", flush=True)
            print(f"maintain_lake: {recount(spark, settings, today)}", flush=True)
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
    parser.add_argument("--counts-only", action="store_true", help="leave the files alone")
    arguments = parser.parse_args(argv)
    started = time.monotonic()
    maintain(load_settings(), arguments.today, compact=not arguments.counts_only)
    print(f"maintain_lake: done in {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
