"""The one SparkSession builder: UTC, Delta, S3A."""

import os
import sys
from collections.abc import Callable

from pyspark.sql import SparkSession

from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings, load_settings


def spark_session(settings: Settings, app: str) -> SparkSession:
    """Return the session of a job, on the master that spark-submit or the settings name.

    Jars, Delta and the time zone come from `SPARK_CONF_DIR/spark-defaults.conf`, because the
    class path is fixed before any Python runs; the addresses and keys of this deployment are
    set here, so that no secret is in a file or on a command line.
    """
    s3a = "spark.hadoop.fs.s3a"
    builder = SparkSession.builder.appName(f"nocturne {app}")
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit, which has the master already
        builder = builder.config(f"{s3a}.access.key", settings.s3_access_key)
        builder = builder.config(f"{s3a}.secret.key", settings.s3_secret_key)
    else:
        builder = builder.master(settings.spark_master)
        # What a builder has stands on the command line of the JVM that pyspark starts. Spark
        # takes keys from the environment, too, and hands them on to its executors.
        os.environ["AWS_ACCESS_KEY_ID"] = settings.s3_access_key
        os.environ["AWS_SECRET_ACCESS_KEY"] = settings.s3_secret_key
        os.environ.pop("AWS_SESSION_TOKEN", None)
    return (
        builder.config(f"{s3a}.endpoint", settings.s3_endpoint)
        .config("spark.executorEnv.PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        .getOrCreate()
    )


def run_job(app: str, work: Callable[[SparkSession, Settings], None]) -> int:
    """Run `work` in a session of its own; return 1, with a sentence on stderr, where it fails."""
    settings = load_settings()
    spark = spark_session(settings, app)
    try:
        work(spark, settings)
    except NocturneError as error:
        print(f"{app}: {error}", file=sys.stderr)
        return 1
    finally:
        spark.stop()
    return 0
