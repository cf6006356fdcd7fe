"""The engine `exact`: ALS whose pairs are grouped once, by user and by song, and solved exactly.

Up to so many pairs as the limits say the driver solves them itself: a Spark job costs more than
solving some hundred thousand pairs. Above, they lie in blocks on the executors, and each half of an
iteration is one Spark job, which broadcasts the vectors of one side and brings back those of the
other. Nothing is shuffled again, and a block that is lost with its executor is made anew from the
pairs. Both give the same factors, up to float rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from jobs.training.als import AlsParams, Factors, Vectors, in_order
from jobs.training.kernels import Floats
from jobs.training.pairs import ITEMS, USERS, InDriver, OnExecutors, Pairs, count_ids


@dataclass(frozen=True)
class Limits:
    """Where another way is better: up to so many pairs the driver, above so many MiB mllib.

    The memory is that of one side's vectors (rows x rank x 4 bytes), which every executor gets,
    once for Java and once for each of its Python workers.
    """

    driver_pairs: int = 12_000_000
    broadcast_mib: int = 1024

    def require_room(self, sizes: tuple[int, int], rank: int) -> None:
        """Raise TooLarge where the larger side's vectors do not fit."""
        needed = max(sizes) * rank * 4 / 2**20
        if needed > self.broadcast_mib:
            raise TooLarge(
                f"the vectors of {max(sizes):,} rows take {needed:,.0f} MiB on every executor, "
                f"more than NOCTURNE_EXACT_BROADCAST_MIB={self.broadcast_mib}"
            )


class TooLarge(Exception):
    """The vectors do not fit; the message says how large they are."""


@dataclass(frozen=True)
class Lap:
    """Where a training stands: the iteration that ended (0: the pairs are grouped) and its vectors.

    Those of users are what the songs' were solved against, and none before the first iteration.
    """

    iteration: int
    users: Vectors | None
    songs: Vectors


def to_the_end(_: Lap) -> bool:
    """Say to go on until all iterations are done."""
    return True


def train(
    weights: DataFrame,
    params: AlsParams,
    limits: Limits,
    start: Vectors | None = None,
    go_on: Callable[[Lap], bool] = to_the_end,
) -> Factors:
    """Fit ALS on user_id, track_id, weight (> 0), one row per user and song.

    The same rows give the same factors, up to float rounding, on every master: the first vectors
    are drawn by song in the order of ids, and a row is solved alike in whatever block it is.
    An iteration is users, then songs; users are solved once more at the end, so that theirs are
    the best vectors for the songs' (what folding in gives, too), also after no iteration at all.
    `start` are vectors of songs to start from, of the same rank: a song that they lack takes no
    part until it is solved against the users, so that it is folded in. `go_on` is asked when the
    pairs are grouped and after each iteration; where it says no, there is no other.
    Raises TooLarge before any pair is grouped.
    """
    spark = weights.sparkSession
    pairs = _grouped(weights, params.rank, limits)
    try:
        user_ids, item_ids = pairs.ids
        users: Vectors | None = None
        songs = item_ids, first_vectors(item_ids, params, start)
        iteration = 0
        while go_on(Lap(iteration, users, songs)) and iteration < params.iterations:
            users = user_ids, pairs.solved(USERS, songs[1], params)
            songs = item_ids, pairs.solved(ITEMS, users[1], params)
            iteration += 1
        users = user_ids, pairs.solved(USERS, songs[1], params)
    finally:
        pairs.close()
    return Factors(frame(spark, users), frame(spark, songs))


def _grouped(weights: DataFrame, rank: int, limits: Limits) -> Pairs:
    cached = weights.is_cached
    if not cached:
        weights.persist()
    try:
        if weights.count() <= limits.driver_pairs:
            return InDriver(weights)
        counted = count_ids(weights)
        limits.require_room((len(counted[USERS].ids), len(counted[ITEMS].ids)), rank)
        return OnExecutors(weights, counted)
    finally:
        # A block that is lost is made anew from the pairs, which are then computed anew, too.
        if not cached:
            weights.unpersist()


def first_vectors(ids: list[str], params: AlsParams, start: Vectors | None) -> Floats:
    """Return what the songs start from: those of `start` and zeros, or random ones of length 1.

    Of length 1 as MLlib's: from vectors of length .1 a checkerboard of two tastes took thirty
    iterations to come out right, where it takes three.
    """
    if start is not None:
        known, missing = in_order(pd.Index(ids, dtype=object), start)
        if len(missing) < len(ids):  # from zeros alone nothing would ever move
            return known
    drawn = np.random.default_rng(params.seed).normal(size=(len(ids), params.rank))
    first: Floats = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return first


def frame(spark: SparkSession, found: Vectors) -> DataFrame:
    """Return id and vector, one row for each."""
    ids, vectors = found
    ends = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    lists = pa.ListArray.from_arrays(ends, vectors.ravel())
    table = pa.table({"id": pa.array(ids, pa.string()), "vector": lists})
    # Left with the executors: else every task that reads a part of it would be sent that part.
    return spark.createDataFrame(table).localCheckpoint()
