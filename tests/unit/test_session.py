"""The session vector and the hybrid: exact numbers, and the same ranking as evaluation's."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from jobs.training.contestant import Contestant, strategies
from serving.recommend.model import Model, Training
from serving.recommend.session import Hybrid, less_like, session_vector

TRAINING = Training(alpha=1.0, reg=1.0)


@pytest.mark.parametrize(
    ("user", "song", "expected"),
    [
        ([1.0, 0.0], [0.0, 2.0], [0.7, 0.6]),
        ([1.0, 0.0], None, [1.0, 0.0]),
        (None, [0.0, 2.0], [0.0, 2.0]),
    ],
)
def test_session_vector(user, song, expected):
    song = None if song is None else np.array(song, dtype=np.float32)
    assert session_vector(user, song, 0.7) == pytest.approx(expected)


def test_nothing_known_is_no_vector():
    assert session_vector(None, None, 0.7) is None


def test_vectors_of_two_factor_spaces_are_refused():
    with pytest.raises(ValueError, match="broadcast"):
        session_vector([1.0, 2.0, 3.0], np.ones(2, dtype=np.float32), 0.7)


class Moves:
    """One move of each of some sessions."""

    def __init__(self, listener, current, session):
        self.listener, self.current, self.session = listener, current, session


class Exam:
    def __init__(self, moves):
        self.moves = moves


def test_serving_ranks_as_evaluation_does():
    draw = np.random.default_rng(2)
    songs, users = 40, 5
    items = draw.normal(size=(songs, 6)).astype(np.float32)
    listeners = draw.normal(size=(users, 6)).astype(np.float32)
    ids = [f"s{n:02}" for n in range(songs)]
    near = sp.random(songs, songs, 0.2, random_state=3, format="csr")
    sessions = [[3, 9, 3], [1], [5, 6, 7, 8], [0, 2], [11]]
    weights = sp.lil_matrix((users, songs))
    for row, session in enumerate(sessions):
        for age, song in enumerate(reversed(session)):
            weights[row, song] = min(1.0, weights[row, song] + 0.8**age)
    moves = Moves(np.arange(users), np.array([s[-1] for s in sessions]), weights.tocsr())
    model = Contestant(listeners, items, np.empty(0, np.int64), near)
    expected = strategies(Exam(moves), model, 0.7)["session_hybrid"](slice(0, users))
    neighbours = {
        ids[row]: [(ids[c], float(near[row, c])) for c in near[row].indices] for row in range(songs)
    }
    for row, session in enumerate(sessions):
        hybrid = Hybrid(
            Model(ids, items, TRAINING),
            neighbours,
            [ids[n] for n in session],
            listeners[row],
            0.3,
            1.0,
        )
        found = dict(hybrid.ranked(ids))
        rest = [n for n in range(songs) if n not in session]
        assert [found[ids[n]] for n in rest] == pytest.approx(expected[row, rest], abs=1e-5)


def test_reasons_share_a_score_between_taste_and_session():
    matrix = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    model = Model(["playing", "other", "both"], matrix, TRAINING)
    neighbours = {"playing": [("both", 0.5)], "before": [("other", 0.5)]}
    hybrid = Hybrid(model, neighbours, ["before", "playing"], np.array([0, 1.0]), 0.3, 1.0)
    why = hybrid.reasons(["both", "other"])
    for reason in why.values():
        assert reason.taste + reason.session == pytest.approx(1)
    assert (why["both"].kind, why["both"].songs[0][0]) == ("session", "playing")
    assert why["other"].songs[0][0] == "before"
    # near: both 1, other .8; cosines: .3 * (.707, 1) and .7 * (.707, 0)
    both = 0.3 * 0.5**0.5
    assert why["both"].taste == pytest.approx(both / (1 + 0.5**0.5), rel=1e-3)
    assert why["other"].taste == pytest.approx(0.3 / 1.1, rel=1e-3)


def test_less_like_what_was_skipped():
    matrix = np.array([[1, 0], [1, 0.1], [0, 1], [-1, 0]], dtype=np.float32)
    model = Model(["skipped", "alike", "unlike", "opposite"], matrix, TRAINING)
    candidates = [("alike", 1.0), ("unlike", 0.9), ("opposite", 0.8), ("new", 0.1)]
    found = less_like(model, candidates, ["skipped"])
    assert [t for t, _ in found] == ["unlike", "opposite", "alike", "new"]
    assert dict(found)["opposite"] == pytest.approx(0.8)
    assert dict(found) == dict(candidates)
    assert less_like(model, candidates, []) == candidates
    assert pd.Series(dict(less_like(None, candidates, ["skipped"]))).to_dict() == dict(candidates)
