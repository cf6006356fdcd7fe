"""The parts of a generation in the lake, read without Spark."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError, ClientError
from numpy.typing import NDArray

from jobs.contract.errors import BadInput
from jobs.contract.names import item_factors_path
from jobs.contract.settings import Settings
from jobs.stores.objects import Objects

AWAY = (BotoCoreError, ClientError, BadInput)
"""What a read raises while the lake does not answer, or lacks the part."""


def read_part(settings: Settings, path: str, seconds: float = 60.0) -> pa.Table:
    """Return one part of a generation (factors, lists, neighbours); BadInput where it is gone.

    Fails when the lake stands still for so many seconds.
    """
    objects, bucket = Objects(settings, seconds), settings.lake_bucket
    keys = [key for key in objects.keys(bucket, f"{path}/") if key.endswith(".parquet")]
    if not keys:
        raise BadInput(f"there is no {path} in the lake: it was removed or never written")
    return pa.concat_tables(pq.read_table(io.BytesIO(objects.get(bucket, key))) for key in keys)


def factors(
    settings: Settings, path: str, seconds: float = 60.0
) -> tuple[list[str], NDArray[np.float32]]:
    """Return the ids of a part with vectors, and one row of the matrix for each."""
    table = read_part(settings, path, seconds)
    numbers = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return table["id"].to_pylist(), numbers.reshape(table.num_rows, -1)


class FactorReader:
    """Reads the item factors of generations for serving."""

    def __init__(self, settings: Settings, seconds: float) -> None:
        self._settings = settings
        self._seconds = seconds

    def read(self, generation: str) -> tuple[list[str], NDArray[np.float32]]:
        """Return the songs' ids, and one row of factors for each; raises one of AWAY."""
        return factors(self._settings, item_factors_path(generation), self._seconds)

    def close(self) -> None:
        """There is nothing to end: each read has a client of its own."""
