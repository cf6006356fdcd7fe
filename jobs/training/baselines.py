"""What every model must be measured against: popularity, one's own songs, and item-kNN."""

import numpy as np
import scipy.sparse as sp

from jobs.training.exam import Exam
from jobs.training.ranking import Floats, Scorer

KNN_NEIGHBOURS = 500
KNN_SHRINK = 60.0
"""Both as tuned on 30Music; the ground around them is flat."""


def popularity(exam: Exam, fresh: bool, rows: int) -> Scorer:
    """Return the scorer that gives everyone the most played songs, of all days or the last 7."""
    songs = exam.songs
    scores = songs.fresh + songs.plays * 1e-3 if fresh else songs.plays
    return lambda block: np.tile(scores, (len(range(*block.indices(rows))), 1))


def own_songs(exam: Exam) -> Scorer:
    """Return the scorer that gives everyone their own songs, the recent and frequent ones first."""
    return lambda block: _dense(exam.own[block])


def item_knn(exam: Exam) -> Scorer:
    """Return item-based k-nearest neighbours: sums of shrunk cosines to a listener's songs.

    On log1p(plays), each song with its 500 nearest (Deshpande and Karypis, Item-based top-N
    recommendation algorithms, 2004; the shrinkage of Koren, 2008).
    """
    similar = neighbours(log(exam.crowd))
    of_listeners = log(exam.heard)
    return lambda block: _dense(of_listeners[block] @ similar)


def log(plays: sp.csr_matrix) -> sp.csr_matrix:
    """Return log1p of the plays."""
    weights = plays.copy()
    weights.data = np.log1p(weights.data)
    return weights


def neighbours(weights: sp.csr_matrix) -> sp.csr_matrix:
    """Return songs x songs: the shrunk cosine of each song with its nearest ones."""
    by_song = weights.T.tocsr()
    norms = np.sqrt(np.asarray(by_song.multiply(by_song).sum(1)).ravel())
    kept = []
    for start in range(0, by_song.shape[0], 1000):
        block = (by_song[start : start + 1000] @ weights).tocoo()
        off = block.row + start != block.col
        row, column = block.row[off], block.col[off]
        value = block.data[off] / (norms[row + start] * norms[column] + KNN_SHRINK)
        kept.append(_largest(sp.csr_matrix((value, (row, column)), shape=block.shape)))
    return sp.vstack(kept, format="csr") if kept else sp.csr_matrix((0, 0))


def _largest(block: sp.csr_matrix) -> sp.csr_matrix:
    row = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    order = np.lexsort((-block.data, row))
    order = order[np.arange(len(order)) - block.indptr[row[order]] < KNN_NEIGHBOURS]
    cells = (row[order], block.indices[order])
    return sp.csr_matrix((block.data[order], cells), shape=block.shape)


def _dense(block: sp.csr_matrix) -> Floats:
    return np.asarray(block.toarray(), dtype=np.float32)
