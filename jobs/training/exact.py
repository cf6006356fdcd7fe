"""The engine `exact`: ALS whose pairs are grouped once, by user and by song, and solved exactly.

Up to so many pairs as the limits say the driver solves them itself: a Spark job costs more than
solving some hundred thousand pairs. Above, they lie in blocks on the executors, and each half of an
iteration is one Spark job, which broadcasts the vectors of one side and brings back those of the
other. Nothing is shuffled again, and a block that is lost with its executor is made anew from the
pairs. Both give the same factors, up to float rounding.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import RDD, StorageLevel
from pyspark.sql import DataFrame, SparkSession
from scipy.sparse import coo_array
from threadpoolctl import threadpool_limits

from jobs.training.als import AlsParams, Factors, Vectors, in_order, number
from jobs.training.kernels import Floats, Rows, eigenbasis, solve

USERS, ITEMS = 0, 1
SCHEMA = pa.schema([("user", pa.int32()), ("item", pa.int32()), ("weight", pa.float32())])
COUNTED = "side long, lengths binary"
PACKED = "block long, places binary, columns binary, weights binary"


@dataclass(frozen=True)
class Limits:
    """Where another way is better: up to so many pairs the driver, above so many MiB mllib.

    The memory is that of one side's vectors (rows x rank x 4 bytes), which every executor gets,
    once for Java and once for each of its Python workers.
    """

    driver_pairs: int = 5_000_000
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


class Pairs(Protocol):
    """The pairs of one training, grouped by user and by song."""

    def solved(self, side: int, fixed: Floats, params: AlsParams) -> Floats:
        """Return the vectors of one side against those of the other, a row for each number."""
        ...

    def close(self) -> None:
        """Let go of them."""
        ...


@dataclass(frozen=True)
class Dealt:
    """The rows of one side in blocks of about equal work: by length, dealt in turn."""

    order: NDArray[np.int64]
    """Rows, the longest first; the i-th is in block i modulo `blocks`."""
    blocks: int

    @classmethod
    def by(cls, lengths: NDArray[np.int64], blocks: int) -> Self:
        """Deal rows of these lengths."""
        return cls(np.argsort(-lengths, kind="stable"), blocks)

    def ranks(self) -> NDArray[np.int64]:
        """Return each row's place in `order`."""
        ranks = np.empty_like(self.order)
        ranks[self.order] = np.arange(len(self.order))
        return ranks

    def rows(self, block: int) -> int:
        """Return how many rows a block has."""
        return len(self.order[block :: self.blocks])

    def together(self, solved: Iterable[Floats], rank: int) -> Floats:
        """Return the vectors of all blocks, which come in order, as one row for each number."""
        vectors = np.empty((len(self.order), rank), np.float32)
        for block, found in enumerate(solved):
            vectors[self.order[block :: self.blocks]] = found
        return vectors


def _block(
    places: NDArray[Any], columns: NDArray[Any], weights: Floats, shape: tuple[int, int]
) -> Rows:
    """Compress pairs into rows, whatever order they come in."""
    matrix = coo_array((weights, (places, columns)), shape).tocsr()
    matrix.sort_indices()
    return Rows(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data)


class InDriver:
    """Pairs in this process, whose cores solve a block each."""

    def __init__(self, ratings: DataFrame, sizes: tuple[int, int]) -> None:
        """Take user, item, weight, one row per pair; numbers are below `sizes`."""
        users, items, weights = (column.to_numpy() for column in ratings.toArrow().columns)
        blocks = len(os.sched_getaffinity(0))
        self._threads = ThreadPoolExecutor(blocks)
        self._sides: list[tuple[Dealt, list[Rows]]] = []
        for side, (own, other) in enumerate(((users, items), (items, users))):
            dealt = Dealt.by(np.bincount(own, minlength=sizes[side]), blocks)
            ranks = dealt.ranks()[own]
            parts = []
            for block in range(blocks):
                here = ranks % blocks == block
                shape = (dealt.rows(block), sizes[1 - side])
                parts.append(_block(ranks[here] // blocks, other[here], weights[here], shape))
            self._sides.append((dealt, parts))

    def solved(self, side: int, fixed: Floats, params: AlsParams) -> Floats:
        """Return the vectors of one side against those of the other, a row for each number."""
        dealt, parts = self._sides[side]
        z, values, basis = eigenbasis(fixed)
        with threadpool_limits(1, "blas"):
            found = self._threads.map(
                lambda rows: solve(rows, z, values, params.reg, params.alpha), parts
            )
            return dealt.together(found, params.rank) @ basis.T

    def close(self) -> None:
        """Let go of them."""
        self._threads.shutdown()


class OnExecutors:
    """Pairs in blocks that the executors hold: first those of users, then those of songs."""

    def __init__(self, ratings: DataFrame, sizes: tuple[int, int]) -> None:
        """Take user, item, weight, one row per pair; numbers are below `sizes`."""
        self._context = ratings.sparkSession.sparkContext
        blocks = self._context.defaultParallelism
        self._sides = [Dealt.by(lengths, blocks) for lengths in _lengths(ratings, sizes)]
        self._blocks = _blocks(ratings, self._sides, sizes).persist(StorageLevel.MEMORY_AND_DISK)
        self._blocks.count()

    def solved(self, side: int, fixed: Floats, params: AlsParams) -> Floats:
        """Return the vectors of one side against those of the other, a row for each number."""
        dealt = self._sides[side]
        z, values, basis = eigenbasis(fixed)
        shared = self._context.broadcast((z, values))
        reg, alpha, rank = params.reg, params.alpha, params.rank

        def work(blocks: Iterable[Rows]) -> list[bytes]:
            z, values = shared.value
            with threadpool_limits(1, "blas"):
                return [solve(rows, z, values, reg, alpha).tobytes() for rows in blocks]

        own = range(side * dealt.blocks, (side + 1) * dealt.blocks)
        found = self._context.runJob(self._blocks, work, list(own))
        shared.destroy()
        solved = (np.frombuffer(raw, np.float32).reshape(-1, rank) for raw in found)
        return dealt.together(solved, rank) @ basis.T

    def close(self) -> None:
        """Let the executors forget them."""
        self._blocks.unpersist()


def _lengths(ratings: DataFrame, sizes: tuple[int, int]) -> list[NDArray[np.int64]]:
    """Return how many pairs each user and each song has."""

    def counted(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        table = pa.Table.from_batches(batches, SCHEMA)
        for side, name in enumerate(SCHEMA.names[:2]):
            lengths = np.bincount(table[name].to_numpy(), minlength=sizes[side])
            yield pa.record_batch([[side], [lengths.tobytes()]], ["side", "lengths"])

    totals = [np.zeros(size, np.int64) for size in sizes]
    for side, lengths in ratings.mapInArrow(counted, COUNTED).collect():
        totals[side] += np.frombuffer(lengths, np.int64)
    return totals


def _blocks(ratings: DataFrame, sides: list[Dealt], sizes: tuple[int, int]) -> "RDD[Rows]":
    """Return a partition, of one element, for each block of users and then of songs."""
    context, count = ratings.sparkSession.sparkContext, sides[USERS].blocks
    ranks = context.broadcast([side.ranks() for side in sides])
    shapes = [
        (sides[side].rows(block), sizes[1 - side])
        for side in (USERS, ITEMS)
        for block in range(count)
    ]

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        users, items, weights = (c.to_numpy() for c in pa.Table.from_batches(batches, SCHEMA))
        for side, (own, other) in enumerate(((users, items), (items, users))):
            rank = ranks.value[side][own]
            for block in range(count):
                here = rank % count == block
                places = (rank[here] // count).astype(np.int32)
                pieces = [[part.tobytes()] for part in (places, other[here], weights[here])]
                names = [field.split()[0] for field in PACKED.split(", ")]
                yield pa.record_batch([[side * count + block], *pieces], names)

    def compressed(block: int, packed: Iterable[tuple[int, tuple[bytes, ...]]]) -> Iterator[Rows]:
        pieces = [piece for _, piece in packed]
        places, columns, weights = (
            np.concatenate([np.frombuffer(piece[i], kind) for piece in pieces])
            for i, kind in enumerate((np.int32, np.int32, np.float32))
        )
        yield _block(places, columns, weights, shapes[block])

    # A few large objects go through the shuffle, not one for each pair.
    packed = ratings.mapInArrow(pack, PACKED).rdd.map(lambda row: (row[0], tuple(row[1:])))
    return packed.partitionBy(2 * count, lambda block: block).mapPartitionsWithIndex(
        compressed, preservesPartitioning=True
    )


@dataclass(frozen=True)
class Lap:
    """Where a training stands: the iteration that ended (0: the pairs are grouped) and its vectors.

    Those of users are what the songs' were solved against, and none before the first iteration.
    """

    iteration: int
    users: Vectors | None
    songs: Vectors


def _go_on(_: Lap) -> bool:
    return True


def train(
    weights: DataFrame,
    params: AlsParams,
    limits: Limits,
    start: Vectors | None = None,
    go_on: Callable[[Lap], bool] = _go_on,
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
    numbered = number(weights)
    ratings = numbered.frame.persist()
    sizes = len(numbered.user_ids), len(numbered.item_ids)
    pairs: Pairs
    try:
        if ratings.count() <= limits.driver_pairs:
            pairs = InDriver(ratings, sizes)
        else:
            limits.require_room(sizes, params.rank)
            pairs = OnExecutors(ratings, sizes)
        try:
            users: Vectors | None = None
            songs = numbered.item_ids, first_vectors(numbered.item_ids, params, start)
            iteration = 0
            while go_on(Lap(iteration, users, songs)) and iteration < params.iterations:
                users = numbered.user_ids, pairs.solved(USERS, songs[1], params)
                songs = numbered.item_ids, pairs.solved(ITEMS, users[1], params)
                iteration += 1
            user_vectors = pairs.solved(USERS, songs[1], params)
        finally:
            pairs.close()
    finally:
        ratings.unpersist()
    spark = weights.sparkSession
    return Factors(frame(spark, (numbered.user_ids, user_vectors)), frame(spark, songs))


def first_vectors(ids: list[str], params: AlsParams, start: Vectors | None) -> Floats:
    """Return what the songs start from: random vectors, or those of `start` and zeros."""
    first: Floats
    if start is None:
        drawn = np.random.default_rng(params.seed).normal(size=(len(ids), params.rank))
        first = (drawn * 0.1 / np.sqrt(params.rank)).astype(np.float32)
        return first
    first, _ = in_order(pd.Index(ids, dtype=object), start)
    return first


def frame(spark: SparkSession, found: Vectors) -> DataFrame:
    """Return id and vector, one row for each."""
    ids, vectors = found
    ends = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    lists = pa.ListArray.from_arrays(ends, vectors.ravel())
    table = pa.table({"id": pa.array(ids, pa.string()), "vector": lists})
    # Left with the executors: else every task that reads a part of it would be sent that part.
    return spark.createDataFrame(table).localCheckpoint()
