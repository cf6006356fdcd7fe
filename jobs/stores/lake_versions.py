"""Which Delta tables the lake has and how far they are, from their logs, without Spark."""

import io
import json
import re

import pyarrow.parquet as pq

from jobs.contract import names
from jobs.contract.backups import LakeTable
from jobs.contract.settings import Settings
from jobs.stores.objects import Objects

TABLES = (
    names.RAW_LOGS,
    names.QUARANTINE_LOGS,
    names.REMOVED_OFFSETS,
    names.MASTER_SONGS,
    names.MASTER_SONGS_REJECTED,
    names.MASTER_USERS,
    names.MASTER_USERS_REJECTED,
)


def lake_tables(settings: Settings) -> dict[str, LakeTable]:
    """Return the tables that there are, by path."""
    found = {path: _table(Objects(settings), settings.lake_bucket, path) for path in TABLES}
    return {path: table for path, table in found.items() if table is not None}


def _table(objects: Objects, bucket: str, path: str) -> LakeTable | None:
    log = f"{path}/_delta_log/"
    keys = objects.keys(bucket, log)
    versions = [int(m[1]) for key in keys if (m := re.search(r"/(\d{20})\.json$", key))]
    if not versions:
        return None
    return LakeTable(id=_id(objects, bucket, log, keys), version=max(versions))


def _id(objects: Objects, bucket: str, log: str, keys: list[str]) -> str | None:
    """Return the id in the newest checkpoint, or in the first version where there is none."""
    checkpoints = [key for key in keys if re.search(r"/\d{20}\.checkpoint\b.*\.parquet$", key)]
    if checkpoints:
        newest = checkpoints[-1].removeprefix(log)[:20]
        for key in checkpoints:
            if key.startswith(f"{log}{newest}"):
                body = io.BytesIO(objects.get(bucket, key))
                rows = pq.read_table(body, columns=["metaData.id"])["metaData"].to_pylist()
                found = [row["id"] for row in rows if row and row["id"]]
                if found:
                    return str(found[0])
    first = f"{log}{0:020}.json"
    lines = objects.get(bucket, first).splitlines() if first in keys else []
    found = [json.loads(line)["metaData"]["id"] for line in lines if b'"metaData"' in line]
    return str(found[0]) if found else None
