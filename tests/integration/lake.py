"""The lake as any other reader of Delta tables sees it."""

from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from infra.local import show
from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS
from jobs.contract.settings import Settings
from jobs.stores.lease import lake_writer


def rows(settings: Settings, path: str, **options: object) -> pa.Table:
    """Return the rows of one Delta table, read by delta-rs; none where there is no table."""
    return show.table(settings, path).to_pyarrow_table(**options)


def raw_logs(settings: Settings, **options: object) -> pa.Table:
    """Return rows of `raw/logs`."""
    return rows(settings, RAW_LOGS, **options)


def quarantine(settings: Settings, **options: object) -> pa.Table:
    """Return rows of `quarantine/logs`."""
    return rows(settings, QUARANTINE_LOGS, **options)


def append(settings: Settings, path: str, found: list[dict[str, Any]]) -> None:
    """Append rows to a table that is there, as its only writer."""
    with lake_writer(settings, "test"):
        table = show.table(settings, path)
        schema = table.to_pyarrow_dataset().schema
        write_deltalake(table, pa.Table.from_pylist(found, schema), mode="append")
