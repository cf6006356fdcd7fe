"""How much of an exact search an approximate index finds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
TOP = 10


def recall(
    queries: Floats, ids: Sequence[str], vectors: Floats, found: Sequence[Sequence[str]]
) -> float:
    """Return the mean share of the exact best 10 by inner product that was found.

    `vectors` has a row for each of `ids`, `found` the answer to each row of `queries`. A song
    counts when it scores like the tenth best: songs of equal score are equally right, and an
    id twice counts once.
    """
    at = {song: place for place, song in enumerate(ids)}
    k = min(TOP, len(ids))
    shares = []
    for query, answer in zip(queries, found, strict=True):
        scores = vectors @ query
        tenth = np.partition(scores, -k)[-k]
        slack = 1e-5 * max(1.0, abs(float(tenth)))  # the index sums in another order
        right = [song for song in set(answer) if song in at and scores[at[song]] >= tenth - slack]
        shares.append(min(len(right), k) / k)
    return float(np.mean(shares)) if shares else 0.0
