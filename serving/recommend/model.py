"""The songs of one generation in memory: exact scores, cosines, and what a fold-in needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.recommend.sources import Candidate

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Training:
    """How the factors were fitted: what a fold-in must repeat.

    `weighting` names the function from plays to weight, `mean` is what weights were divided by.
    """

    alpha: float
    reg: float
    weighting: str = "log"
    mean: float = 1.0

    @classmethod
    def of(cls, generation: Mapping[str, Any]) -> "Training":
        """Return what a generation's record says."""
        params = generation["params"]
        return cls(
            float(params["alpha"]),
            float(params["reg"]),
            str(params["weighting"]),
            float(generation.get("mean_weight", 1.0)),
        )

    def weights(self, plays: Doubles) -> Doubles:
        """Return the weights that ALS trusts pairs of so many plays with.

        The same as `jobs.training.weights.weighted`; a test compares the two.
        """
        if self.weighting == "log":
            weights = np.log1p(plays)
        elif self.weighting == "clipped":
            weights = np.minimum(plays, 3)
        else:
            weights = plays if self.weighting == "linear" else np.ones_like(plays)
        return weights / self.mean


class Model:
    """Item factors (songs x rank) with the id of each row. Never changed, so safe to share."""

    def __init__(self, ids: Sequence[str], matrix: Floats, training: Training) -> None:
        self.ids = list(ids)
        self.matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        self.training = training
        self._place = {track_id: row for row, track_id in enumerate(self.ids)}
        lengths = np.linalg.norm(self.matrix, axis=1)
        self._lengths = np.maximum(lengths, 1e-12)

    @cached_property
    def gramian(self) -> Doubles:
        """Return Y'Y of all songs (rank x rank)."""
        # In float32 first: 100,000 songs in double precision would cost as much memory again.
        return np.asarray(self.matrix.T @ self.matrix, dtype=np.float64)

    def __contains__(self, track_id: str) -> bool:
        return track_id in self._place

    def rows(self, track_ids: Iterable[str]) -> NDArray[np.int64]:
        """Return the row of each song; -1 for one that the generation does not have."""
        return np.fromiter((self._place.get(t, -1) for t in track_ids), dtype=np.int64)

    def vector(self, track_id: str) -> Floats | None:
        """Return a song's vector, or None where the generation does not have it."""
        row = self._place.get(track_id)
        return None if row is None else self.matrix[row]

    def nearest(self, vector: Sequence[float] | Floats, limit: int) -> list[Candidate]:
        """Return the songs of highest inner product, best first: exact, over all songs."""
        scores = self.matrix @ np.asarray(vector, dtype=np.float32)
        best = np.argpartition(-scores, min(limit, len(scores)) - 1)[:limit]
        best = best[np.argsort(-scores[best], kind="stable")]
        return [(self.ids[row], float(scores[row])) for row in best]

    def scores(self, vector: Sequence[float] | Floats, track_ids: Sequence[str]) -> Floats:
        """Return the inner product of each song; 0 for one that the generation does not have."""
        return self._product(np.asarray(vector, dtype=np.float32), track_ids, unit=False)

    def cosines(self, vector: Sequence[float] | Floats, track_ids: Sequence[str]) -> Floats:
        """Return the cosine of each song; 0 for one that the generation does not have."""
        query = np.asarray(vector, dtype=np.float32)
        query = query / max(float(np.linalg.norm(query)), 1e-12)
        return self._product(query, track_ids, unit=True)

    def _product(self, query: Floats, track_ids: Sequence[str], unit: bool) -> Floats:
        rows = self.rows(track_ids)
        found = self.matrix[rows] @ query
        if unit:
            found = found / self._lengths[rows]
        return np.where(rows >= 0, found, np.float32(0))
