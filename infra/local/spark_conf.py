"""The `SPARK_CONF_DIR` that spark-submit, the stream driver and a plain `python job.py` read."""

from pathlib import Path

import pyspark

from infra.local.install import class_archive, jars

LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
logger.metrics.name = org.apache.hadoop.metrics2
logger.metrics.level = error
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.syncable.name = org.apache.hadoop.fs.s3a.S3ABlockOutputStream
logger.syncable.level = error
logger.plans.name = org.apache.spark.sql.catalyst.util.SparkStringUtils
logger.plans.level = error
logger.adaptive.name = org.apache.spark.sql.catalyst.analysis.ResolveWriteToStream
logger.adaptive.level = error
logger.admin.name = org.apache.spark.sql.kafka010.KafkaDataConsumer
logger.admin.level = error
"""


def write_spark_conf(state: Path) -> Path:
    """Write spark-defaults.conf and log4j2.properties below the state folder.

    The class path is given to driver and executors rather than shipped with `spark.jars`,
    because copying the jars costs each job many seconds. Spark's own jars stand in it, too: it
    comes before this folder, and an archive of classes ends at the first folder of a class path.
    """
    folder = state / "spark"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = state / "tmp"
    class_path = f"{jars('spark')}/*:{Path(pyspark.__file__).parent / 'jars'}/*"
    archive = class_archive()
    java = f"-Djava.io.tmpdir={temporary} -XX:+UseSerialGC"
    if archive.exists():
        java += f" -XX:SharedArchiveFile={archive}"
    options = {
        "spark.driver.extraClassPath": class_path,
        "spark.executor.extraClassPath": class_path,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.shuffle.partitions": "4",
        # The default asks for 10,000 tasks to list a table: half a minute for each vacuum.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.warehouse.dir": str(temporary / "warehouse"),
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": java,
    }
    lines = [f"{name} {value}" for name, value in options.items()]
    (folder / "spark-defaults.conf").write_text("\n".join(lines) + "\n")
    (folder / "log4j2.properties").write_text(LOG4J)
    return folder
