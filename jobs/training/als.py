"""What every engine of ALS takes and gives: weights of pairs, parameters, factors by id."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.ml.feature import StringIndexer
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class AlsParams:
    """`reg` is scaled by the length of a row (MLlib's scaling); `alpha` is per unit weight."""

    rank: int
    reg: float
    alpha: float
    iterations: int
    seed: int


@dataclass(frozen=True)
class Factors:
    """id (string), vector (array<float>): one row per user and one per song with a weight."""

    users: DataFrame
    items: DataFrame


Vectors = tuple[list[str], NDArray[np.float32]]
"""Ids, and a row of the matrix for each of them."""


@dataclass(frozen=True)
class Ratings:
    """Weights by number: a number is an id's place among all ids, in alphabetical order."""

    frame: DataFrame
    """user (int), item (int), weight (float): one row per user and song, in no order."""
    user_ids: list[str]
    item_ids: list[str]


def number(weights: DataFrame) -> Ratings:
    """Number the ids of user_id, track_id, weight (> 0; one row per user and song)."""
    indexer = StringIndexer(
        inputCols=["user_id", "track_id"],
        outputCols=["user", "item"],
        stringOrderType="alphabetAsc",
    ).fit(weights)
    columns = [F.col(name).cast("int") for name in ("user", "item")]
    frame = indexer.transform(weights).select(*columns, F.col("weight").cast("float"))
    user_ids, item_ids = indexer.labelsArray
    return Ratings(frame, list(user_ids), list(item_ids))


def collect_factors(factors: DataFrame) -> Vectors:
    """Bring factors into the driver: ids, and one row of the matrix for each.

    They travel as Arrow, without a Python object per number: 100,000 songs of 64 factors are
    26 MB here.
    """
    table = factors.select("id", "vector").toArrow()
    numbers = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    rank = len(numbers) // max(1, table.num_rows)
    return table["id"].to_pylist(), numbers.reshape(table.num_rows, rank)


def in_order(wanted: pd.Index, found: Vectors) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the vectors of the wanted ids, zeros where there is none, and the places of those."""
    ids, matrix = found
    at = pd.Index(ids, dtype=object).get_indexer(wanted)
    rank = matrix.shape[1] if matrix.size else 1
    ordered = np.zeros((len(wanted), rank), dtype=np.float32)
    ordered[at >= 0] = matrix[at[at >= 0]]
    return ordered, np.flatnonzero(at < 0)
