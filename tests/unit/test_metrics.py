"""The metrics on lists short enough to work out by hand, and intervals that must hold."""

from math import log2

import numpy as np
import pytest

from jobs.training.metrics import makeup, mean_of, per_listener, per_move
from jobs.training.ranking import best_songs, ranks_of, top_lists

NONE = [-1] * 16


def lists(*rows):
    return np.array([[*row, *[-1] * (20 - len(row))] for row in rows])


def test_metrics_by_hand() -> None:
    # Hits at places 1 and 4 of three relevant songs; one at 3 of one; nothing relevant.
    found = per_listener(
        lists([0, 1, 2, 3], [0, 1, 2, 3], [0]),
        [np.array([0, 3, 9]), np.array([2]), np.array([], np.int64)],
    )
    ideal = 1 + 1 / log2(3) + 1 / log2(4)
    assert found["recall_20"].tolist()[:2] == pytest.approx([2 / 3, 1])
    assert found["ndcg_10"].tolist()[:2] == pytest.approx([(1 + 1 / log2(5)) / ideal, 1 / log2(4)])
    assert found["mrr_20"].tolist()[:2] == pytest.approx([1, 1 / 3])
    assert found["hr_10"].tolist()[:2] == [1, 1]
    assert all(np.isnan(values[2]) for values in found.values())


def test_the_first_ten_and_all_twenty_differ() -> None:
    found = per_listener(np.arange(20)[None], [np.array([0, 15])])
    assert (found["recall_10"][0], found["recall_20"][0]) == (0.5, 1.0)
    assert found["ndcg_20"][0] > found["ndcg_10"][0]


def test_ties_go_by_plays() -> None:
    scores = np.array([1, 2, 1, -np.inf], np.float32)
    assert best_songs(scores, np.array([1, 0, 3, 9], np.float32)).tolist() == [1, 2, 0]


def test_lists_leave_out_what_they_must() -> None:
    plays = np.array([5, 4, 3], np.float32)
    scorer = lambda block: np.tile(plays, (2, 1))[block]  # noqa: E731
    found = top_lists(scorer, 2, plays, [np.array([0]), np.array([], np.int64)])
    assert found[:, :3].tolist() == [[1, 2, -1], [0, 1, 2]]


def test_ranks_skip_the_current_song_and_share_ties() -> None:
    plays = np.zeros(4, np.float32)
    scores = np.array([[9, 5, 5, 1]] * 4, np.float32)
    targets, current = np.array([1, 0, 3, -1]), np.array([0, 1, -1, 0])
    found = ranks_of(lambda block: scores[block], targets, current, plays)
    # 5 ties with 5 behind nothing; 9 leads; 1 is last of four; an unknown song has no rank.
    assert found.tolist() == [1.5, 1, 4, np.inf]
    assert per_move(found)["mrr_20"].tolist() == pytest.approx([1 / 1.5, 1, 0.25, 0])


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    draw = np.random.default_rng(7)
    held = 0
    for seed in range(200):
        values = draw.normal(1.0, 1.0, 60)
        found = mean_of(values, np.arange(60), seed)
        held += found.low <= 1.0 <= found.high
    assert 0.89 <= held / 200 <= 0.99


def test_what_one_listener_does_often_counts_as_one() -> None:
    """A thousand equal values of one of ten people are no reason to be sure."""
    owners = np.array([0] * 1000 + list(range(1, 10)))
    values = np.array([1.0] * 1000 + [0.0] * 9)
    clustered = mean_of(values, owners, 1)
    apart = mean_of(values, np.arange(len(values)), 1)
    assert clustered.listeners == 10
    assert clustered.high - clustered.low > 10 * (apart.high - apart.low)


def test_makeup_by_hand() -> None:
    popularity = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    found = makeup(lists([4, 3], [4, 2]), popularity, np.array([0, 0, 1, 2, 2]))
    assert found["coverage"] == pytest.approx(3 / 5)
    assert found["popularity"] == pytest.approx((1 + 0.75 + 1 + 0.5) / 4)
    assert found["artist_share"] == pytest.approx((1.0 + 0.5) / 2)
    assert makeup(lists([4]), popularity, np.full(5, -1))["artist_share"] is None
