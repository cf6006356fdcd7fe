"""What serving has of each listener: the best unheard songs, for the hour when the index is away,
and the plays of the window, for a new vector and for reasons."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.training.als import Factors, collect_factors
from jobs.training.metrics import Ints
from jobs.training.ranking import Floats, blocks

OWN_PLAYS = 300
"""Songs of a listener that are kept: a bound on what one request reads and solves with."""


def own_plays(pairs: DataFrame) -> DataFrame:
    """Return id (string) and plays (array<struct<id: string, plays: double>>): one row a listener.

    `pairs` has user_id, track_id and plays; the 300 most played songs are kept, equals by id.
    """
    best = Window.partitionBy("user_id").orderBy(F.desc("plays"), "track_id")
    ranked = pairs.select("*", F.row_number().over(best).alias("rank"))
    pair = F.struct(F.col("track_id").alias("id"), F.col("plays").cast("double").alias("plays"))
    kept = ranked.where(F.col("rank") <= OWN_PLAYS).select("user_id", "rank", pair.alias("pair"))
    in_order = F.sort_array(F.collect_list(F.struct("rank", "pair")))["pair"]
    return kept.groupBy(F.col("user_id").alias("id")).agg(in_order.alias("plays"))


def nightly_lists(factors: Factors, pairs: DataFrame, top: int) -> DataFrame:
    """Return id (string) and songs (array<string>), best first: one row per listener.

    The `top` songs of highest inner product without the listener's own of the window, which
    `pairs` names (user_id, track_id; one row per user and song). Equal scores go by id. The song
    factors travel to the executors whole, 26 MB for 100,000 songs of 64 factors.
    """
    ids, matrix = collect_factors(factors.items.orderBy("id"))
    songs = factors.users.sparkSession.sparkContext.broadcast((np.array(ids, dtype=object), matrix))
    heard = pairs.groupBy(F.col("user_id").alias("id")).agg(F.collect_set("track_id").alias("own"))
    rows = factors.users.join(heard, "id", "left").select("id", "vector", "own")
    return rows.mapInPandas(_ranker(lambda: songs.value, top), "id string, songs array<string>")


def _ranker(
    songs: Callable[[], tuple[np.ndarray[tuple[int], np.dtype[np.object_]], Floats]], top: int
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def rank(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        ids, matrix = songs()
        place = pd.Index(ids)
        for batch in batches:
            for rows in blocks(len(batch), len(ids)):
                yield _ranked(batch.iloc[rows], ids, matrix, place, top)

    return rank


def _ranked(
    rows: pd.DataFrame,
    ids: np.ndarray[tuple[int], np.dtype[np.object_]],
    matrix: Floats,
    place: pd.Index,
    top: int,
) -> pd.DataFrame:
    scores = np.stack(rows["vector"].to_numpy()).astype(np.float32) @ matrix.T
    lists = []
    for line, own in zip(scores, rows["own"], strict=True):
        if own is not None:
            at = place.get_indexer(own)
            line[at[at >= 0]] = -np.inf
        lists.append(list(ids[_best(line, top)]))
    return pd.DataFrame({"id": rows["id"].to_numpy(), "songs": lists})


def _best(scores: Floats, top: int) -> Ints:
    """Return the places of the `top` finite scores, best first; sorts no more than it must."""
    last = max(len(scores) - top, 0)
    best = np.flatnonzero(scores >= np.partition(scores, last)[last])  # all ties at the border
    best = best[np.isfinite(scores[best])]
    return best[np.argsort(-scores[best], kind="stable")][:top]
