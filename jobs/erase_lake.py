"""The part of an erasure that needs Spark: rows of Delta tables, and imported logs' copies.

The caller holds the lease of the lake.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.erasure import ID_COLUMNS, Erased, Erasure
from jobs.contract.names import (
    LANDING_LOGS,
    MASTER_USERS,
    MASTER_USERS_REJECTED,
    QUARANTINE_LOGS,
    RAW_LOGS,
    REMOVED_OFFSETS,
)
from jobs.contract.settings import Settings
from jobs.maintenance.erasure import (
    is_erased_event,
    is_erased_text,
    is_erased_user,
    removed_offsets,
)
from jobs.songs.columns import USER_COLUMNS
from jobs.stores import lake, lake_rows
from jobs.stores.lease import Lease
from jobs.stores.objects import Objects

LOGS = (RAW_LOGS, QUARANTINE_LOGS)
ABANDONED = timedelta(hours=1)
"""An import lands its file and then waits a few minutes at most for the lease that we hold."""


class LakeTraces:
    """Rows of the listeners in every Delta table that has listeners."""

    def __init__(
        self, spark: SparkSession, settings: Settings, lease: Lease, erasures: Sequence[Erasure]
    ) -> None:
        self._spark = spark
        self._settings = settings
        self._lease = lease
        self._objects = Objects(settings)
        self._erasures = erasures
        erased, raw = Erased(erasures), F.col("raw")
        conditions: dict[str, Column] = {
            RAW_LOGS: is_erased_event(erasures),
            QUARANTINE_LOGS: is_erased_text(raw, ID_COLUMNS, erased),
            MASTER_USERS: is_erased_user(F.col("user_id"), erased.hashes),
            MASTER_USERS_REJECTED: is_erased_text(raw, USER_COLUMNS["user_id"], erased),
        }
        self._conditions = conditions
        self._copies = self._copies_of_imports()

    def found(self) -> dict[str, int]:
        """Return how many rows each table has, and how many copies of their imports there are."""
        return {
            **{path: self._count(path) for path in self._conditions},
            LANDING_LOGS: sum(len(self._keys(folder)) for folder in self._copies),
        }

    def remove(self) -> None:
        """Take the rows out of the newest version, then delete the files of all older ones.

        What is known only through the rows is done before they go, so that a repeat after a
        crash finds whatever is left to do.
        """
        self._list_offsets()
        for folder in self._copies:
            self._objects.delete_below(self._settings.lake_bucket, folder)
        for path, condition in self._conditions.items():
            if not lake_rows.is_table(self._spark, self._settings, path):
                continue
            self._lease.check()
            address = lake.url(self._settings, path)
            if path in (QUARANTINE_LOGS, MASTER_USERS_REJECTED):
                # The condition has ids in it, and would be written into the table's log.
                texts = self._rows(path).select("raw").distinct()
                lake.delete_rows(self._spark, address, texts, ["raw"])
            else:
                lake_rows.delete_where(self._spark, self._settings, path, condition)
            lake.vacuum(self._spark, address, 0)

    def returned(self) -> set[str]:
        """Return the hashes of those who have rows left: they listened after their request."""
        hashed = F.sha2("user_id", 256).alias("id")
        ids = lake.read_table(self._spark, self._settings, RAW_LOGS).select(hashed)
        ours = ids.where(F.col("id").isin([e.id for e in self._erasures])).distinct()
        return {row["id"] for row in ours.collect()}

    def _count(self, path: str) -> int:
        is_there = lake_rows.is_table(self._spark, self._settings, path)
        return self._rows(path).count() if is_there else 0

    def _rows(self, path: str) -> DataFrame:
        table = lake.read_table(self._spark, self._settings, path)
        return table.where(self._conditions[path])

    def _list_offsets(self) -> None:
        columns = ("kafka_partition", "kafka_offset")
        rows = reduce(DataFrame.union, [self._rows(path).select(*columns) for path in LOGS])
        known = lake.read_table(self._spark, self._settings, REMOVED_OFFSETS)
        ranges = removed_offsets(rows, known).persist()
        if not ranges.isEmpty():
            self._lease.check()
            lake.append(ranges, lake.url(self._settings, REMOVED_OFFSETS))
        ranges.unpersist()

    def _copies_of_imports(self) -> list[str]:
        """Return the folders of imports with rows of theirs, and of imports that never ended.

        Once an import ended, `raw/logs` and `quarantine/logs` have all rows of its copy.
        """
        ours = self._imports([self._rows(path) for path in LOGS])
        tables = [lake.read_table(self._spark, self._settings, path) for path in LOGS]
        ended = self._imports(tables)
        before = datetime.now(UTC) - ABANDONED
        newest = self._objects.newest_below(self._settings.lake_bucket, f"{LANDING_LOGS}/")
        return [
            folder
            for folder, changed in newest.items()
            for import_id in [folder.removeprefix(f"{LANDING_LOGS}/").rstrip("/")]
            if import_id in ours or (import_id not in ended and changed < before)
        ]

    @staticmethod
    def _imports(tables: list[DataFrame]) -> set[str]:
        ids = reduce(DataFrame.union, [table.select("import_id") for table in tables])
        return {row["import_id"] for row in ids.dropna().distinct().collect()}

    def _keys(self, folder: str) -> list[str]:
        return self._objects.keys(self._settings.lake_bucket, folder)
