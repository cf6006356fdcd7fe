"""Read quarantined messages again, after the rules or a sender's format were mended.

Messages that are valid now move to raw/logs and are counted; the others stay, with the reason
that they have now. Rows of imported files stay as they are: import the mended file instead.
Duplicates stay, too. Can be repeated, also after a crash.
"""

import argparse
import sys
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.events import DUPLICATE, PLACE
from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS
from jobs.contract.settings import Settings
from jobs.recount import recount
from jobs.session import run_job
from jobs.stores import lake
from jobs.stores.lease import lake_writer
from jobs.stream.parse import parse_messages
from jobs.stream.validate import STREAM, Limits, accepted


def reprocess(spark: SparkSession, settings: Settings, reason: str | None, limits: Limits) -> None:
    """Move what is valid now from quarantine to raw/logs; print what became of the rest."""
    raw, quarantine = (lake.url(settings, path) for path in (RAW_LOGS, QUARANTINE_LOGS))
    with lake_writer(settings, "reprocess_quarantine") as lease:
        lake.ensure_log_tables(spark, settings)
        rows = lake.read_table(spark, settings, QUARANTINE_LOGS)
        read = parse_messages(messages(rows, reason), limits).persist()
        valid = accepted(read)
        looked, taken = read.count(), valid.count()
        if taken:
            # Where a crash came between the two writes, only the second one is left to do.
            known = lake.read_table(spark, settings, RAW_LOGS)
            lease.check()
            lake.append(lake.without(valid, known, PLACE), raw)
            lease.check()
            lake.delete_rows(spark, quarantine, valid, PLACE)
            print(f"counts: {recount(spark, settings, datetime.now(UTC).date())}")
        print(f"messages read again: {looked}\nmoved to {RAW_LOGS}: {taken}")
        for row in read.where("reason IS NOT NULL").groupBy("reason").count().collect():
            print(f"  still {row['reason']}: {row['count']}")
        read.unpersist()


def messages(quarantined: DataFrame, reason: str | None) -> DataFrame:
    """Return quarantined Kafka messages, of one reason or of all, as Kafka's source gives them."""
    again = (F.col("reason") != DUPLICATE) & F.col("kafka_offset").isNotNull()
    if reason is not None:
        again &= F.col("reason") == reason
    return quarantined.where(again).select(
        F.col("raw").alias("value"),
        F.col("received_at").alias("timestamp"),
        F.col("kafka_partition").alias("partition"),
        F.col("kafka_offset").alias("offset"),
    )


def main(argv: list[str] | None = None) -> int:
    """Reprocess the quarantine of this deployment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reason", help="only messages that were refused for this reason")
    parser.add_argument(
        "--lateness-days",
        type=int,
        default=STREAM.lateness.days if STREAM.lateness else None,
        help="accept events that were this old when they came (14)",
    )
    arguments = parser.parse_args(argv)
    limits = Limits(timedelta(arguments.lateness_days))
    return run_job(
        "reprocess_quarantine",
        lambda spark, settings: reprocess(spark, settings, arguments.reason, limits),
    )


if __name__ == "__main__":
    sys.exit(main())
