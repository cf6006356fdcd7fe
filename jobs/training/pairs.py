"""The pairs of one training, grouped once by user and by song: in this process, or on executors."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark import RDD, StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import coo_array, csr_array
from threadpoolctl import threadpool_limits

from jobs.training.als import AlsParams
from jobs.training.kernels import Floats, Rows, eigenbasis, solve

USERS, ITEMS = 0, 1
KEYS = ("user_id", "track_id")
PAIR = pa.schema([(key, pa.string()) for key in KEYS] + [("weight", pa.float32())])
PACKED = "block long, places binary, columns binary, weights binary"


class Pairs(Protocol):
    """The pairs of one training, grouped by user and by song.

    `ids` are those of users and of songs, each in order.
    """

    ids: tuple[list[str], list[str]]

    def solved(self, side: int, fixed: Floats, params: AlsParams) -> Floats:
        """Return the vectors of one side against those of the other, a row for each id."""
        ...

    def close(self) -> None:
        """Let go of them."""
        ...


@dataclass(frozen=True)
class Dealt:
    """The rows of one side in blocks of about equal work: by length, dealt in turn."""

    order: NDArray[np.int64]
    """Rows, the longest first; the i-th is in block i modulo `blocks`.

    It is also the order of the columns that stand for them on the other side: those that are read
    most lie together in memory.
    """
    blocks: int

    @classmethod
    def by(cls, lengths: NDArray[np.int64], blocks: int) -> Self:
        """Deal rows of these lengths."""
        return cls(np.argsort(-lengths, kind="stable"), blocks)

    def ranks(self) -> NDArray[np.int32]:
        """Return each row's place in `order`."""
        ranks = np.empty(len(self.order), np.int32)
        ranks[self.order] = np.arange(len(self.order), dtype=np.int32)
        return ranks

    def rows(self, block: int) -> int:
        """Return how many rows a block has."""
        return len(self.order[block :: self.blocks])

    def together(self, solved: Iterable[Floats], rank: int) -> Floats:
        """Return the vectors of all blocks, which come in order, as one row for each id."""
        vectors = np.empty((len(self.order), rank), np.float32)
        for block, found in enumerate(solved):
            vectors[self.order[block :: self.blocks]] = found
        return vectors


def _rows(matrix: csr_array) -> Rows:
    return Rows(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data)


def _typed(weights: DataFrame) -> DataFrame:
    return weights.select(*KEYS, F.col("weight").cast("float").alias("weight"))


def as_table(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """Return what Spark hands over as one table, also where a column of it can have no nulls."""
    typed = [pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in batches]
    return pa.Table.from_batches(typed, schema)


class InDriver:
    """Pairs in this process, whose cores solve a block each."""

    def __init__(self, weights: DataFrame) -> None:
        """Take user_id, track_id, weight, one row per pair."""
        table = _typed(weights).toArrow()
        blocks = len(os.sched_getaffinity(0))
        self._threads = ThreadPoolExecutor(blocks)
        (users, by_user), (items, by_item) = (
            _numbered(table[name], self._threads, blocks) for name in KEYS
        )
        self.ids = users.to_pylist(), items.to_pylist()
        values = table["weight"].to_numpy()
        self._sides = [Dealt.by(np.bincount(side), blocks) for side in (by_user, by_item)]
        users, items = (
            side.ranks()[own] for side, own in zip(self._sides, (by_user, by_item), strict=True)
        )

        shape = len(self.ids[USERS]), len(self.ids[ITEMS])
        matrix = coo_array((values, (users, items)), shape)

        def compressed(rows: coo_array) -> list[Rows]:
            found = rows.tocsr()
            return [_rows(found[block::blocks]) for block in range(blocks)]

        self._parts = list(self._threads.map(compressed, (matrix, matrix.T)))

    def solved(self, side: int, fixed: Floats, params: AlsParams) -> Floats:
        """Return the vectors of one side against those of the other, a row for each id."""
        z, values, basis = eigenbasis(fixed[self._sides[1 - side].order])
        with threadpool_limits(1, "blas"):
            found = self._threads.map(
                lambda rows: solve(rows, z, values, params.reg, params.alpha), self._parts[side]
            )
            return self._sides[side].together(found, params.rank) @ basis.T

    def close(self) -> None:
        """Let go of them."""
        self._threads.shutdown()


def _numbered(
    column: pa.ChunkedArray, threads: ThreadPoolExecutor, parts: int
) -> tuple[pa.Array, NDArray[np.int32]]:
    """Return the ids of a column in order, and the place of each row's among them."""
    size = len(column) // parts + 1
    pieces = [column.slice(part * size, size).combine_chunks() for part in range(parts)]
    encoded = pa.chunked_array(threads.map(lambda piece: piece.dictionary_encode(), pieces))
    found = encoded.unify_dictionaries()
    ids = found.chunk(0).dictionary
    order = pc.sort_indices(ids).to_numpy()
    places = np.empty(len(order), np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    indices = pa.chunked_array(chunk.indices for chunk in found.chunks)
    return ids.take(pa.array(order)), places[indices.to_numpy()]


@dataclass(frozen=True)
class Counted:
    """The ids of one side, in order, and how many pairs each has."""

    ids: pa.Array
    lengths: NDArray[np.int64]


def count_ids(weights: DataFrame) -> tuple[Counted, Counted]:
    """Count the pairs of each user and of each song, in one pass."""

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        table = as_table(batches, PAIR)
        for side, name in enumerate(KEYS):
            found = table.group_by(name).aggregate([([], "count_all")])
            sides = pa.repeat(pa.scalar(side, pa.int32()), found.num_rows)
            columns = [sides, found[name], found["count_all"]]
            yield from pa.table(columns, ["side", "id", "pairs"]).to_batches()

    found = _typed(weights).mapInArrow(count, "side int, id string, pairs long").toArrow()
    users, items = (
        found.filter(pc.equal(found["side"], side))
        .group_by("id")
        .aggregate([("pairs", "sum")])
        .sort_by("id")
        for side in (USERS, ITEMS)
    )
    return _counted(users), _counted(items)


def _counted(found: pa.Table) -> Counted:
    return Counted(found["id"].combine_chunks(), found["pairs_sum"].to_numpy())


class OnExecutors:
    """Pairs in blocks that the executors hold: first those of users, then those of songs."""

    def __init__(self, weights: DataFrame, counted: tuple[Counted, Counted]) -> None:
        """Take user_id, track_id, weight, one row per pair, and what `count_ids` says of them."""
        self._context = weights.sparkSession.sparkContext
        blocks = self._context.defaultParallelism
        users, items = counted
        self.ids = users.ids.to_pylist(), items.ids.to_pylist()
        self._sides = [Dealt.by(side.lengths, blocks) for side in counted]
        self._blocks = _blocks(weights, counted, self._sides).persist(StorageLevel.MEMORY_AND_DISK)
        self._blocks.count()

    def solved(self, side: int, fixed: Floats, params: AlsParams) -> Floats:
        """Return the vectors of one side against those of the other, a row for each id."""
        dealt = self._sides[side]
        z, values, basis = eigenbasis(fixed[self._sides[1 - side].order])
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


def _blocks(
    weights: DataFrame, counted: tuple[Counted, Counted], sides: list[Dealt]
) -> "RDD[Rows]":
    """Return a partition, of one element, for each block of users and then of songs."""
    context, count = weights.sparkSession.sparkContext, sides[USERS].blocks
    known = context.broadcast(
        [(c.ids, side.ranks()) for c, side in zip(counted, sides, strict=True)]
    )
    sizes = [len(side.order) for side in sides]
    shapes = [
        (sides[side].rows(block), sizes[1 - side])
        for side in (USERS, ITEMS)
        for block in range(count)
    ]

    names = [field.split()[0] for field in PACKED.split(", ")]

    def pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        table = as_table(batches, PAIR)
        (user_ids, user_ranks), (item_ids, item_ranks) = known.value
        users = user_ranks[pc.index_in(table["user_id"], user_ids).to_numpy()]
        items = item_ranks[pc.index_in(table["track_id"], item_ids).to_numpy()]
        values = table["weight"].to_numpy()
        for side, (own, other) in enumerate(((users, items), (items, users))):
            for block in range(count):
                here = own % count == block
                places = own[here] // count
                pieces = [[part.tobytes()] for part in (places, other[here], values[here])]
                yield pa.record_batch([[side * count + block], *pieces], names)

    def compressed(block: int, packed: Iterable[tuple[int, tuple[bytes, ...]]]) -> Iterator[Rows]:
        pieces = [piece for _, piece in packed]
        places, columns, values = (
            np.concatenate([np.frombuffer(piece[i], kind) for piece in pieces])
            for i, kind in enumerate((np.int32, np.int32, np.float32))
        )
        yield _rows(coo_array((values, (places, columns)), shapes[block]).tocsr())

    # A few large objects go through the shuffle, not one for each pair.
    packed = _typed(weights).mapInArrow(pack, PACKED)
    return (
        packed.rdd.map(lambda row: (row[0], tuple(row[1:])))
        .partitionBy(2 * count, lambda block: block)
        .mapPartitionsWithIndex(compressed, preservesPartitioning=True)
    )
