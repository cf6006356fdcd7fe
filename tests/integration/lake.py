"""The lake as any other reader of Delta tables sees it."""

import pyarrow as pa

from infra.local import show
from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS
from jobs.contract.settings import Settings


def rows(settings: Settings, path: str, **options: object) -> pa.Table:
    """Return the rows of one Delta table, read by delta-rs; none where there is no table."""
    return show.table(settings, path).to_pyarrow_table(**options)


def raw_logs(settings: Settings, **options: object) -> pa.Table:
    """Return rows of `raw/logs`."""
    return rows(settings, RAW_LOGS, **options)


def quarantine(settings: Settings, **options: object) -> pa.Table:
    """Return rows of `quarantine/logs`."""
    return rows(settings, QUARANTINE_LOGS, **options)
