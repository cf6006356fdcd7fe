"""Whether an iteration still makes a model better, asked of listeners' songs of the last days."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.training.als import Vectors, in_order
from jobs.training.exact import Lap
from jobs.training.metrics import Ints, per_listener
from jobs.training.ranking import top_lists

LISTENERS = 1_000
STILL_MOVES = 0.01
"""A metric that rises by less than this share of itself stands still."""


class Moving:
    """Says to go on for so many iterations, and then while the held-out metric still rises."""

    def __init__(self, held_out: "HeldOut", least: int) -> None:
        self._held_out = held_out
        self._least = least
        self._last: float | None = None
        self.iterations = 0
        """How many there were."""

    def __call__(self, lap: Lap) -> bool:
        self.iterations = lap.iteration
        if lap.users is None or lap.iteration < self._least - 1:
            return True
        now, before = self._held_out.ndcg(lap.users, lap.songs), self._last
        self._last = now
        print(f"training: iteration {lap.iteration}: held-out NDCG@10 {now:.4f}", flush=True)
        if lap.iteration < self._least:
            return True
        return before is not None and now > before * (1 + STILL_MOVES)


@dataclass(frozen=True)
class HeldOut:
    """Some listeners' songs before the split (columns of `heard`), and their new ones after it."""

    listeners: pd.Index
    songs: pd.Index
    heard: Sequence[Ints]
    wanted: Sequence[Ints]

    @classmethod
    def of(cls, early: DataFrame, late: DataFrame) -> Self:
        """Choose up to 1,000 of those who played on both sides, by a hash of their ids."""
        asked = (
            early.select("user_id")
            .intersect(late.select("user_id"))
            .orderBy(F.xxhash64("user_id"), "user_id")
            .limit(LISTENERS)
        )
        both = [
            plays.select("user_id", "track_id")
            .distinct()
            .join(F.broadcast(asked), "user_id", "left_semi")
            .toPandas()
            for plays in (early, late)
        ]
        listeners = pd.Index(both[0]["user_id"].unique(), dtype=object)
        songs = pd.Index(early.select("track_id").distinct().toPandas()["track_id"], dtype=object)
        heard, played = (_songs_of(pairs, listeners, songs) for pairs in both)
        wanted = [np.setdiff1d(new, old) for new, old in zip(played, heard, strict=True)]
        return cls(listeners, songs, heard, wanted)

    def ndcg(self, users: Vectors, songs: Vectors) -> float:
        """Return NDCG@10 of unheard songs, 0 where nobody can be asked."""
        if not len(self.listeners):
            return 0.0
        mine, _ = in_order(self.listeners, users)
        theirs, _ = in_order(self.songs, songs)
        alike = np.zeros(len(self.songs), np.float32)
        lists = top_lists(lambda b: mine[b] @ theirs.T, len(mine), alike, list(self.heard))
        found = per_listener(lists, self.wanted)["ndcg_10"]
        return float(np.nan_to_num(np.nanmean(found))) if np.isfinite(found).any() else 0.0


def _songs_of(pairs: pd.DataFrame, listeners: pd.Index, songs: pd.Index) -> list[Ints]:
    """Return the places of each listener's songs, of those that are known."""
    row, column = listeners.get_indexer(pairs["user_id"]), songs.get_indexer(pairs["track_id"])
    known = (row >= 0) & (column >= 0)
    shape = (len(listeners), len(songs))
    matrix = sp.csr_matrix((np.ones(known.sum()), (row[known], column[known])), shape)
    ends = pairwise(matrix.indptr)
    return [matrix.indices[start:end].astype(np.int64) for start, end in ends]
