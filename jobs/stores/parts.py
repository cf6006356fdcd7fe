"""The parts of a generation in the lake, read without Spark."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.contract.errors import BadInput
from jobs.contract.settings import Settings
from jobs.stores.objects import Objects


def read_part(settings: Settings, path: str) -> pa.Table:
    """Return one part of a generation (factors, lists, neighbours); BadInput where it is gone."""
    objects, bucket = Objects(settings), settings.lake_bucket
    keys = [key for key in objects.keys(bucket, f"{path}/") if key.endswith(".parquet")]
    if not keys:
        raise BadInput(f"there is no {path} in the lake: it was removed or never written")
    return pa.concat_tables(pq.read_table(io.BytesIO(objects.get(bucket, key))) for key in keys)


def factors(settings: Settings, path: str) -> tuple[list[str], NDArray[np.float32]]:
    """Return the ids of a part with vectors, and one row of the matrix for each."""
    table = read_part(settings, path)
    numbers = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return table["id"].to_pylist(), numbers.reshape(table.num_rows, -1)
