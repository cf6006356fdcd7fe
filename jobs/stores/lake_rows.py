"""What an erasure needs to know of Delta tables, and of what their logs keep of the rows."""

import io
import json
from collections.abc import Iterator

import pyarrow.parquet as pq
from delta.tables import DeltaTable
from pyspark.sql import Column, SparkSession

from jobs.contract.settings import Settings
from jobs.stores import lake
from jobs.stores.objects import Objects

PERSONAL = {"user_id", "username", "raw"}
"""Columns whose least and greatest value must not be in a table's log."""


def is_table(spark: SparkSession, settings: Settings, path: str) -> bool:
    """Say whether there is a Delta table at this path of the lake."""
    return bool(DeltaTable.isDeltaTable(spark, lake.url(settings, path)))


def delete_where(spark: SparkSession, settings: Settings, path: str, condition: Column) -> None:
    """Delete rows of a Delta table. The condition's text stays in the table's log."""
    DeltaTable.forPath(spark, lake.url(settings, path)).delete(condition)


def personal_statistics(objects: Objects, settings: Settings, path: str) -> int:
    """Return how many entries of a Delta table's log have statistics of personal columns."""
    keys = objects.keys(settings.lake_bucket, f"{path}/_delta_log/")
    measured = (
        PERSONAL & set(json.loads(stats).get("minValues", {}))
        for key in keys
        for stats in _statistics(key, objects.get(settings.lake_bucket, key))
    )
    return sum(1 for columns in measured if columns)


def _statistics(key: str, body: bytes) -> Iterator[str]:
    if key.endswith(".json"):
        entries = [json.loads(line).get("add") for line in body.splitlines() if line.strip()]
    elif key.endswith(".parquet"):
        entries = pq.read_table(io.BytesIO(body), columns=["add"])["add"].to_pylist()
    else:
        entries = []
    yield from (entry["stats"] for entry in entries if entry and entry.get("stats"))
