"""The data lake: Delta tables and Parquet in S3, through Spark."""

from datetime import date
from urllib.parse import unquote

from delta.tables import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.errors import BadInput
from jobs.contract.events import QUARANTINE_LOG, RAW_LOG, REMOVED_OFFSET
from jobs.contract.fields import Field, ddl
from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS, REMOVED_OFFSETS
from jobs.contract.settings import Settings
from jobs.stores.objects import Objects

STATISTICS = ("timestamp", "received_at", "kafka_partition", "kafka_offset", "first_offset")
MIB = 1024 * 1024


def url(settings: Settings, path: str) -> str:
    """Return the address of a path in the lake as Spark reads it."""
    return f"s3a://{settings.lake_bucket}/{path}"


def ensure_log_tables(spark: SparkSession, settings: Settings) -> None:
    """Create the log tables and the list of removed offsets, unless they are there."""
    days = settings.lake_retention_days
    _ensure_table(spark, url(settings, RAW_LOGS), RAW_LOG, days)
    _ensure_table(spark, url(settings, QUARANTINE_LOGS), QUARANTINE_LOG, days)
    _ensure_table(spark, url(settings, REMOVED_OFFSETS), REMOVED_OFFSET, days)


def _ensure_table(spark: SparkSession, path: str, fields: tuple[Field, ...], days: int) -> None:
    if DeltaTable.isDeltaTable(spark, path):
        return
    columns = spark.createDataFrame([], ddl(fields)).schema
    table = DeltaTable.createIfNotExists(spark).location(path).addColumns(columns)
    # Names of listeners must not stay behind in the statistics of the table's log.
    measured = [f.name for f in fields if f.name in STATISTICS]
    properties = {
        "delta.checkpointInterval": "20",
        "delta.dataSkippingStatsColumns": ",".join(measured),
        "delta.logRetentionDuration": f"interval {days} days",
        "delta.deletedFileRetentionDuration": f"interval {days} days",
    }
    for name, value in properties.items():
        table = table.property(name, value)
    if "date" in columns.names:
        table = table.partitionedBy("date")
    table.execute()


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


def append(df: DataFrame, path: str) -> None:
    """Append rows to a Delta table; the caller holds the lease and knows them to be new."""
    df.write.format("delta").mode("append").save(path)


def delete_rows(spark: SparkSession, path: str, rows: DataFrame, keys: list[str]) -> None:
    """Delete from a Delta table each row that agrees with one of `rows` in all keys."""
    same = " AND ".join(f"t.{key} <=> r.{key}" for key in keys)
    table = DeltaTable.forPath(spark, path).alias("t")
    table.merge(rows.select(*keys).alias("r"), same).whenMatchedDelete().execute()


def without(rows: DataFrame, others: DataFrame, keys: list[str]) -> DataFrame:
    """Return the rows that no other one agrees with in all keys; null agrees with null."""
    same = [rows[key].eqNullSafe(others[key]) for key in keys]
    return rows.join(others, same, "left_anti")


def forget_offsets(spark: SparkSession, settings: Settings) -> None:
    """Take the offsets of a topic that is no more off every row, so that a new one can begin."""
    nothing = {"kafka_partition": F.lit(None), "kafka_offset": F.lit(None)}
    for path in (RAW_LOGS, QUARANTINE_LOGS):
        DeltaTable.forPath(spark, url(settings, path)).update("kafka_offset IS NOT NULL", nothing)
    DeltaTable.forPath(spark, url(settings, REMOVED_OFFSETS)).delete()


def overwrite(df: DataFrame, path: str) -> None:
    """Replace a Delta table's rows and schema in one commit; readers see old or new."""
    (
        df.write.format("delta")
        .mode("overwrite")
        .option("overwriteSchema", "true")
        # Without statistics no name stays behind in the table's log; it says so when it is made.
        .option("delta.dataSkippingNumIndexedCols", "0")
        .save(path)
    )


def read_logs(
    spark: SparkSession, settings: Settings, start: date, end: date, version: int | None = None
) -> DataFrame:
    """Return the rows of `raw/logs` of the days [start, end), of one table version."""
    logs = read_table(spark, settings, RAW_LOGS, version)
    return logs.where((F.col("date") >= F.lit(start)) & (F.col("date") < F.lit(end)))


def is_vacuumed(spark: SparkSession, settings: Settings, path: str, version: int) -> bool:
    """Return whether files of an older version of a table are no longer there."""
    try:
        files = read_table(spark, settings, path, version).inputFiles()
    except AnalysisException:  # its log is gone, too
        return True
    there = set(Objects(settings).keys(settings.lake_bucket, f"{path}/"))
    keys = (unquote(file.partition(f"{settings.lake_bucket}/")[2]) for file in files)
    return not there.issuperset(keys)


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


def compact_days(spark: SparkSession, path: str, before: date, file_mb: int) -> tuple[int, int]:
    """Join the small files of each day before `before` into files of about `file_mb` MiB.

    Returns how many files that removed and added. Files of that size are left alone, so a
    repeat changes nothing.
    """
    for limit in ("maxFileSize", "minFileSize"):
        spark.conf.set(f"spark.databricks.delta.optimize.{limit}", str(file_mb * MIB))
    days = f"date < DATE'{before.isoformat()}'"
    done = DeltaTable.forPath(spark, path).optimize().where(days).executeCompaction().first()
    metrics = done["metrics"] if done else {"numFilesRemoved": 0, "numFilesAdded": 0}
    return int(metrics["numFilesRemoved"]), int(metrics["numFilesAdded"])


def vacuum(spark: SparkSession, path: str, hours: float) -> None:
    """Delete the files that no version of the last `hours` needs; 0: only the newest stays.

    With less than the table's retention, readers of older versions lose their files: the
    caller says why that must be.
    """
    check = "spark.databricks.delta.retentionDurationCheck.enabled"
    spark.conf.set(check, "false")
    try:
        DeltaTable.forPath(spark, path).vacuum(hours)
    finally:
        spark.conf.unset(check)


def read_table(
    spark: SparkSession, settings: Settings, path: str, version: int | None = None
) -> DataFrame:
    """Return the rows of a Delta table of the lake, the newest ones or those of one version."""
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    return reader.load(url(settings, path))


def write_part(rows: DataFrame, path: str) -> None:
    """Write a part of a generation (id string and more) as Parquet; replaces a half-written try."""
    rows.write.mode("overwrite").parquet(path)


def read_part(spark: SparkSession, path: str) -> DataFrame:
    """Return a part of a generation, one row per listener or song: factors, neighbours, lists."""
    return spark.read.parquet(path)


def highest_offsets(spark: SparkSession, settings: Settings) -> dict[int, int]:
    """Return for each Kafka partition the highest offset that the lake accounts for."""
    tables = {RAW_LOGS: "kafka_offset", QUARANTINE_LOGS: "kafka_offset"}
    offsets: dict[int, int] = {}
    for path, column in (tables | {REMOVED_OFFSETS: "last_offset"}).items():
        known = read_table(spark, settings, path).where("kafka_partition IS NOT NULL")
        for row in known.groupBy("kafka_partition").agg(F.max(column).alias("offset")).collect():
            partition = row["kafka_partition"]
            offsets[partition] = max(offsets.get(partition, -1), row["offset"])
    return offsets
