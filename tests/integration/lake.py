"""The lake as any other reader of Delta tables sees it."""

import pyarrow as pa
from deltalake import DeltaTable

from jobs.contract.names import QUARANTINE_LOGS, RAW_LOGS
from jobs.contract.settings import Settings


def rows(settings: Settings, path: str, **options: object) -> pa.Table:
    """Return the rows of one Delta table, read by delta-rs; none where there is no table."""
    table = DeltaTable(
        f"s3://{settings.lake_bucket}/{path}",
        storage_options={
            "AWS_ENDPOINT_URL": settings.s3_endpoint,
            "AWS_ACCESS_KEY_ID": settings.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": settings.s3_secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        },
    )
    return table.to_pyarrow_table(**options)


def raw_logs(settings: Settings, **options: object) -> pa.Table:
    """Return rows of `raw/logs`."""
    return rows(settings, RAW_LOGS, **options)


def quarantine(settings: Settings, **options: object) -> pa.Table:
    """Return rows of `quarantine/logs`."""
    return rows(settings, QUARANTINE_LOGS, **options)
