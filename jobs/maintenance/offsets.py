"""Prove from the lake alone that it has every Kafka offset, and each once."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

BUCKET = 100_000
"""Offsets are counted in groups of this many, so that no task has to sort a whole partition."""


@dataclass(frozen=True)
class Offsets:
    """One Kafka partition: `first` and `last` offset, and what is wrong in between."""

    partition: int
    first: int
    last: int
    rows: int
    missing: int
    repeated: int


def places(logs: DataFrame, quarantine: DataFrame, removed: DataFrame) -> DataFrame:
    """Return kafka_partition, kafka_offset: one row for each time that an offset is held.

    `logs` and `quarantine` hold one offset a row, `removed` ranges of them; imported rows
    have none.
    """
    streamed = logs.select("kafka_partition", "kafka_offset").unionAll(
        quarantine.select("kafka_partition", "kafka_offset")
    )
    gone = removed.select(
        "kafka_partition", F.explode(F.sequence("first_offset", "last_offset")).alias("offset")
    )
    return streamed.where("kafka_offset IS NOT NULL").unionAll(gone)


def by_bucket(offsets: DataFrame) -> DataFrame:
    """Return per kafka_partition and bucket: first, last, rows, different (all long)."""
    bucket = F.floor(F.col("kafka_offset") / BUCKET).alias("bucket")
    return offsets.groupBy("kafka_partition", bucket).agg(
        F.min("kafka_offset").alias("first"),
        F.max("kafka_offset").alias("last"),
        F.count("*").alias("rows"),
        F.countDistinct("kafka_offset").alias("different"),
    )


def judge(buckets: Iterable[Row]) -> list[Offsets]:
    """Return one finding per partition, in order, from all rows of `by_bucket`."""
    of_partition: dict[int, list[Row]] = defaultdict(list)
    for row in buckets:
        of_partition[row["kafka_partition"]].append(row)
    found = []
    for partition, rows in sorted(of_partition.items()):
        first, last = min(r["first"] for r in rows), max(r["last"] for r in rows)
        held, different = sum(r["rows"] for r in rows), sum(r["different"] for r in rows)
        missing, repeated = last - first + 1 - different, held - different
        found.append(Offsets(partition, first, last, held, missing, repeated))
    return found


def holes(offsets: DataFrame) -> DataFrame:
    """Return kafka_partition, first, last: the ranges of offsets that are missing in between.

    Sorts whole partitions: for when something is known to be missing.
    """
    following = F.lead("kafka_offset").over(
        Window.partitionBy("kafka_partition").orderBy("kafka_offset")
    )
    stepped = offsets.withColumn("next", following).where(F.col("next") > F.col("kafka_offset") + 1)
    return stepped.select(
        "kafka_partition",
        (F.col("kafka_offset") + 1).alias("first"),
        (F.col("next") - 1).alias("last"),
    )


def repeats(offsets: DataFrame) -> DataFrame:
    """Return kafka_partition, kafka_offset, rows of the offsets that are held more than once."""
    return (
        offsets.groupBy("kafka_partition", "kafka_offset")
        .agg(F.count("*").alias("rows"))
        .where("rows > 1")
    )
