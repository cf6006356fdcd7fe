"""Let a halted stream go on past messages that Kafka no longer has; shows what was lost.

Without --yes it only shows. With it, the lost offsets are written to audit/removed_offsets, so
that verify_lake knows them, and the stream begins behind them with a new checkpoint. Where
the topic was made anew, --new-topic takes the old offsets off every row of the lake instead.
Run it where the stream driver's checkpoint is.
"""

import argparse
import sys
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from jobs.contract.events import REMOVED_OFFSET, Removal
from jobs.contract.fields import ddl
from jobs.contract.names import REMOVED_OFFSETS
from jobs.contract.settings import Settings
from jobs.session import run_job
from jobs.stores import lake
from jobs.stores.checkpoint import Checkpoint
from jobs.stores.events import topic_bounds
from jobs.stores.lease import lake_writer


def accept(spark: SparkSession, settings: Settings, new_topic: bool, sure: bool) -> None:
    """Show the gap of each partition and, if sure, write it down and drop the checkpoint."""
    with lake_writer(settings, "accept_gap") as lease:
        lake.ensure_log_tables(spark, settings)
        highest = lake.highest_offsets(spark, settings)
        bounds = topic_bounds(settings)
        for partition, (oldest, end) in sorted(bounds.items()):
            behind = f"lake ends at {highest.get(partition, '-')}"
            print(f"partition {partition}: {behind}, Kafka has {oldest} to {end - 1}")
        now = datetime.now(UTC)
        gaps = [
            (partition, highest[partition] + 1, oldest - 1, str(Removal.RETENTION), now)
            for partition, (oldest, _) in sorted(bounds.items())
            if partition in highest and highest[partition] + 1 < oldest
        ]
        lost = sum(last - first + 1 for _, first, last, _, _ in gaps)
        print(f"{lost} messages are lost")
        if not sure:
            print("nothing was changed; --yes lets the stream go on")
            return
        lease.check()
        if new_topic:
            lake.forget_offsets(spark, settings)
        elif gaps:
            rows = spark.createDataFrame(gaps, ddl(REMOVED_OFFSET))
            lake.append(rows, lake.url(settings, REMOVED_OFFSETS))
        Checkpoint(settings).discard()
        print("the stream goes on")


def main(argv: list[str] | None = None) -> int:
    """Accept the gap of this deployment's topic."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--yes", action="store_true", help="go on without the lost messages")
    parser.add_argument("--new-topic", action="store_true", help="the topic was made anew")
    arguments = parser.parse_args(argv)
    return run_job(
        "accept_gap",
        lambda spark, settings: accept(spark, settings, arguments.new_topic, arguments.yes),
    )


if __name__ == "__main__":
    sys.exit(main())
