"""Make the archive of classes that lets every Spark job start sooner (class data sharing, JEP 350).

A job is a JVM that loads some 20,000 classes from 250 jars; mapped from an archive they cost a
small job a quarter of its time less. The archive holds what one run of this program used.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from py4j.protocol import Py4JJavaError
from pyspark.ml.recommendation import ALS
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from infra.local.install import ROOT, VENV, class_archive
from infra.local.spark_conf import write_spark_conf
from jobs.contract.settings import Settings
from jobs.session import spark_session

NOWHERE = "http://127.0.0.1:9"


def record(folder: Path) -> None:
    """Do in a folder what jobs do, and ask for a bucket where no store is, which fails."""
    settings = Settings(s3_endpoint=NOWHERE, s3_access_key="none", s3_secret_key="none")
    spark = spark_session(settings, "classes")
    try:
        spark.sparkContext.setLogLevel("OFF")
        _use(spark, folder)
        with contextlib.suppress(Py4JJavaError):
            spark.read.option("fs.s3a.attempts.maximum", 1).option("fs.s3a.retry.limit", 1).parquet(
                "s3a://nowhere/nothing"
            )
    finally:
        spark.stop()


def _use(spark: SparkSession, folder: Path) -> None:
    rows = [(f"u{n % 7}", f"t{n % 5}", n) for n in range(70)]
    plays = spark.createDataFrame(rows, "user_id string, track_id string, timestamp long")
    table, factors = str(folder / "table"), str(folder / "factors")
    for _ in range(2):
        plays.write.format("delta").mode("append").partitionBy("track_id").save(table)
    read = spark.read.format("delta").load(table).filter("timestamp > 3")
    pairs = read.groupBy("user_id", "track_id").agg(F.count("*").alias("plays"))
    users = pairs.select("user_id").distinct()
    users = users.withColumn("user", F.monotonically_increasing_id())
    numbered = pairs.join(users, "user_id").selectExpr(
        "int(user) user", "int(substr(track_id, 2)) item", "float(plays) plays"
    )
    als = ALS(userCol="user", itemCol="item", ratingCol="plays", implicitPrefs=True, rank=4)
    als.setMaxIter(2).fit(numbered).itemFactors.write.parquet(factors)
    spark.read.parquet(factors).toPandas()


def make(archive: Path) -> None:
    """Write the archive in place of older ones.

    Raises CalledProcessError where Spark does not run, FileNotFoundError where Java makes none.
    """
    for old in archive.parent.glob("spark-classes-*.jsa"):
        old.unlink()
    with tempfile.TemporaryDirectory(dir=archive.parent) as half:
        made = Path(half, "made.jsa")
        env = os.environ | {
            "PYTHONPATH": str(ROOT),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_CONF_DIR": str(write_spark_conf(Path(half))),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_SUBMIT_OPTS": f"-XX:ArchiveClassesAtExit={made} -Xlog:cds=off",
        }
        # A JVM that spark-submit starts has ended, and written its archive, when that returns.
        command = [str(VENV / "bin/spark-submit"), "--master", "local[2]", __file__]
        subprocess.run([*command, "--record", half], check=True, env=env)
        made.rename(archive)


def main() -> int:
    """Make the archive, or, in a process of its own, do what it is made from."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, help="do here what jobs do")
    options = parser.parse_args()
    if options.record:
        record(options.record)
    else:
        make(class_archive())
    return 0


if __name__ == "__main__":
    sys.exit(main())
