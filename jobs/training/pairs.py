"""The pairs of one training, grouped once by user and by song: in this process, or on executors."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import RDD, StorageLevel
from pyspark.sql import DataFrame
from scipy.sparse import coo_array
from threadpoolctl import threadpool_limits

from jobs.training.als import AlsParams
from jobs.training.kernels import Floats, Rows, eigenbasis, solve

USERS, ITEMS = 0, 1
SCHEMA = pa.schema([("user", pa.int32()), ("item", pa.int32()), ("weight", pa.float32())])
COUNTED = "side long, lengths binary"
PACKED = "block long, places binary, columns binary, weights binary"


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
