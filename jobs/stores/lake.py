"""The data lake: Delta tables and Parquet in S3, through Spark."""

from datetime import date

import numpy as np
from delta.tables import DeltaTable
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.errors import BadInput
from jobs.contract.events import QUARANTINE_LOG, RAW_LOG
from jobs.contract.fields import Field, ddl
from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS
from jobs.contract.settings import Settings


def url(settings: Settings, path: str) -> str:
    """Return the address of a path in the lake as Spark reads it."""
    return f"s3a://{settings.lake_bucket}/{path}"


def ensure_log_tables(spark: SparkSession, settings: Settings) -> None:
    """Create `raw/logs` and `quarantine/logs` with their schemas, unless they are there."""
    _ensure_table(spark, url(settings, RAW_LOGS), RAW_LOG)
    _ensure_table(spark, url(settings, QUARANTINE_LOGS), QUARANTINE_LOG)


def _ensure_table(spark: SparkSession, path: str, fields: tuple[Field, ...]) -> None:
    if DeltaTable.isDeltaTable(spark, path):
        return
    columns = spark.createDataFrame([], ddl(fields)).schema
    (
        DeltaTable.createIfNotExists(spark)
        .location(path)
        .addColumns(columns)
        .partitionedBy("date")
        .property("delta.checkpointInterval", "20")
        .execute()
    )


def append_once(df: DataFrame, path: str, app_id: str, version: int) -> None:
    """Append rows to a Delta table in one commit, unless (app_id, version) was committed.

    The caller holds the `lake_writer` lease: on S3 only one driver at a time may write.
    """
    (
        df.write.format("delta")
        .mode("append")
        .option("txnAppId", app_id)
        .option("txnVersion", version)
        .save(path)
    )


def overwrite(df: DataFrame, path: str) -> None:
    """Replace a Delta table's rows and schema in one commit; readers see old or new."""
    df.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)


def read_logs(
    spark: SparkSession, settings: Settings, start: date, end: date, version: int | None = None
) -> DataFrame:
    """Return the rows of `raw/logs` of the days [start, end), of one table version."""
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    logs = reader.load(url(settings, RAW_LOGS))
    return logs.where((F.col("date") >= F.lit(start)) & (F.col("date") < F.lit(end)))


def table_version(spark: SparkSession, path: str) -> int:
    """Return the newest version of a Delta table; raises BadInput where there is none."""
    if not DeltaTable.isDeltaTable(spark, path):
        raise BadInput(f"there is no table at {path}: import a log or start the stream first")
    return int(DeltaTable.forPath(spark, path).history(1).first()["version"])


def committed_version(spark: SparkSession, path: str, app_id: str) -> int:
    """Return the highest version that `app_id` committed with `append_once`; -1 for none."""
    jvm = spark._jvm
    log = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)
    nothing = jvm.scala.Option.empty()
    transactions = log.update(False, nothing, nothing).transactions()
    found = transactions.get(app_id)
    return int(found.get()) if found.isDefined() else -1


def compact_days(spark: SparkSession, path: str, before: date) -> int:
    """Join the small files of each day before `before`; return how many files that removed."""
    days = f"date < DATE'{before.isoformat()}'"
    done = DeltaTable.forPath(spark, path).optimize().where(days).executeCompaction().first()
    return int(done["metrics"]["numFilesRemoved"]) if done else 0


def write_factors(factors: DataFrame, path: str) -> None:
    """Write factors (id string, vector array<float>) as Parquet, replacing a half-written try."""
    factors.write.mode("overwrite").parquet(path)


def read_factors(spark: SparkSession, path: str) -> DataFrame:
    """Return factors (id string, vector array<float>), one row per listener or song."""
    return spark.read.parquet(path)


def collect_factors(factors: DataFrame) -> tuple[list[str], NDArray[np.float32]]:
    """Bring factors into the driver: ids, and one row of the matrix for each.

    They travel as Arrow, without a Python object per number: 100,000 songs of 64 factors are
    26 MB here.
    """
    table = factors.select("id", "vector").toArrow()
    numbers = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return table["id"].to_pylist(), numbers.reshape(table.num_rows, -1)


def highest_offsets(spark: SparkSession, settings: Settings) -> dict[int, int]:
    """Return for each Kafka partition the highest offset that the log tables hold."""
    offsets: dict[int, int] = {}
    for path in (RAW_LOGS, QUARANTINE_LOGS):
        rows = (
            spark.read.format("delta")
            .load(url(settings, path))
            .where("kafka_partition IS NOT NULL")
            .groupBy("kafka_partition")
            .agg(F.max("kafka_offset").alias("offset"))
            .collect()
        )
        for row in rows:
            partition = row["kafka_partition"]
            offsets[partition] = max(offsets.get(partition, -1), row["offset"])
    return offsets
