"""A factor model in an exam: its home lists, and its answers to what comes next."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from jobs.training.als import Vectors, in_order
from jobs.training.exam import Exam
from jobs.training.metrics import Doubles, Ints
from jobs.training.ranking import Floats, Scorer, ranks_of, top_lists

HYBRID_USER_SHARE = 0.3
HYBRID_COSINE_WEIGHT = 1.0
"""Share of the listener in the session vector of the hybrid, and weight of its cosine beside
the neighbours: as measured on 30Music."""


@dataclass(frozen=True)
class Contestant:
    """Vectors in the order of the exam; zeros for listeners and songs that the model lacks.

    `unknown` are the songs without a vector: they are ranked last. `neighbours` is songs x
    songs: what the same sessions held, and how much.
    """

    users: Floats
    items: Floats
    unknown: Ints
    neighbours: sp.csr_matrix


@dataclass(frozen=True)
class Answers:
    """What one model answered: home lists by view, ranks of the next song by strategy."""

    home: dict[str, Ints]
    next: dict[str, Doubles]


def contestant(
    exam: Exam,
    users: Vectors,
    items: Vectors,
    neighbours: pd.DataFrame,
) -> Contestant:
    """Bring a model into the exam's order: ids with a row of the matrix for each of them.

    `neighbours` has id, neighbour and weight: one row per pair of songs.
    """
    user_matrix, _ = in_order(exam.listeners, users)
    item_matrix, unknown = in_order(exam.songs.ids, items)
    songs = exam.songs.ids
    row, column = songs.get_indexer(neighbours["id"]), songs.get_indexer(neighbours["neighbour"])
    known = (row >= 0) & (column >= 0)
    weights = neighbours["weight"].to_numpy(np.float64)[known]
    cells = (row[known], column[known])
    matrix = sp.csr_matrix((weights, cells), shape=(len(songs), len(songs)))
    return Contestant(user_matrix, item_matrix, unknown, matrix)


def answer(exam: Exam, model: Contestant, user_weight: float) -> Answers:
    """Let a model sit the exam; `user_weight` is the listener's share of `session_vector`."""
    plays, moves = exam.songs.plays, exam.moves
    scorers = strategies(exam, model, user_weight)
    return Answers(
        home=both_views(exam, home_scorer(model)),
        next={
            name: ranks_of(scorer, moves.next, moves.current, plays)
            for name, scorer in scorers.items()
        },
    )


def home_scorer(model: Contestant) -> Scorer:
    """Return the scorer of a factor model: inner products."""
    return _known(model, lambda block: model.users[block] @ model.items.T)


def both_views(exam: Exam, scorer: Scorer) -> dict[str, Ints]:
    """Return the home lists of a scorer: of `unheard` songs, and of `all` of them."""
    rows, plays = len(exam.listeners), exam.songs.plays
    return {
        "unheard": top_lists(scorer, rows, plays, exam.heard_songs()),
        "all": top_lists(scorer, rows, plays),
    }


def strategies(exam: Exam, model: Contestant, user_weight: float) -> dict[str, Scorer]:
    """Return what can rank the next song, by the name that serving gives it.

    `session_vector`: inner product with user_weight * listener + (1 - user_weight) * song, raw
    vectors. `session_neighbours`: what the sessions of the window held beside the songs of this
    one. `session_hybrid`: the neighbours, the best one as 1, plus the cosine with 0.3 listener +
    0.7 song of unit vectors.
    """
    moves = exam.moves
    song, listener = moves.current, moves.listener
    unit_users, unit_items = unit(model.users), unit(model.items)

    def mixed(block: slice, users: Floats, items: Floats, share: float) -> Floats:
        # A song that was not known before the split has number -1: it reads as zeros.
        of_song = np.where((song[block] >= 0)[:, None], items[song[block]], np.float32(0))
        query = share * users[listener[block]] + (1 - share) * of_song
        return np.asarray(query @ items.T, np.float32)

    def vector(block: slice) -> Floats:
        return mixed(block, model.users, model.items, user_weight)

    def cosine(block: slice) -> Floats:
        return mixed(block, unit_users, unit_items, HYBRID_USER_SHARE)

    def near(block: slice) -> Floats:
        found = (moves.session[block] @ model.neighbours).toarray()
        return np.asarray(found / np.maximum(found.max(1, keepdims=True), 1e-12), np.float32)

    def hybrid(block: slice) -> Floats:
        return near(block) + HYBRID_COSINE_WEIGHT * cosine(block)

    found = {
        "session_hybrid": hybrid,
        "session_neighbours": near,
        "session_cosine": cosine,
        "session_vector": vector,
    }
    return {name: _known(model, scorer) for name, scorer in found.items()}


def _known(model: Contestant, scorer: Scorer) -> Scorer:
    def score(block: slice) -> Floats:
        scores = scorer(block)
        scores[:, model.unknown] = -np.inf
        return scores

    return score


def unit(matrix: Floats) -> Floats:
    """Return the rows at length 1; zeros stay zeros."""
    lengths = np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return np.asarray(matrix / lengths, np.float32)
