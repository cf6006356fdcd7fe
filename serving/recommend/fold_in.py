"""A listener's vector from plays alone, and which plays a score comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serving.recommend.model import Doubles, Floats, Model


@dataclass(frozen=True)
class FoldedIn:
    """A solved listener: `parts` (rank x plays) is what each of `played` adds to the vector."""

    played: Sequence[str]
    parts: Doubles

    @cached_property
    def vector(self) -> Doubles:
        """Return the listener's vector (rank)."""
        return np.asarray(self.parts.sum(axis=1))

    def contributions(self, songs: Floats) -> Doubles:
        """Return how much of each song's score (rows) comes from each play (columns).

        With W the inverse of the system, score(i) = sum over plays j of (y_i' W y_j) c_j: section
        5 of Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM
        2008. A row adds up to the song's inner product with `vector`.
        """
        return np.asarray(songs @ self.parts)


def fold_in(model: Model, plays: Mapping[str, float]) -> FoldedIn | None:
    """Solve for the listener who has these plays (count > 0 by track id), songs held fixed.

    x = (Y'Y + Y_u' (C_u - I) Y_u + reg * n * I)^-1 Y_u' C_u 1, over the n played songs that the
    generation has, with c = 1 + alpha * weight: one half-step of implicit ALS (Hu, Koren and
    Volinsky, ICDM 2008, eq. 4), its regularisation scaled by the row's length as in MLlib. The
    same plays give the vector that training gave. None where no song is known.
    """
    known = [(track_id, count) for track_id, count in plays.items() if track_id in model]
    if not known:
        return None
    training = model.training
    counts = np.array([count for _, count in known], dtype=np.float64)
    vectors = model.matrix[model.rows(track_id for track_id, _ in known)].astype(np.float64)
    extra = training.alpha * training.weights(counts)
    rank = vectors.shape[1]
    system = model.gramian + (vectors.T * extra) @ vectors
    system[np.diag_indices(rank)] += training.reg * len(known)
    # For each play alone: their sum is the vector, and W y_j c_j is what reasons are made of.
    parts = np.linalg.solve(system, vectors.T) * (1.0 + extra)
    return FoldedIn([track_id for track_id, _ in known], parts)
