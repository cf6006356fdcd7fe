"""The rules before and after a switch: is the index right, may it serve, who is retired."""

from dataclasses import replace

import numpy as np
import pytest

from jobs.contract.generations import State
from jobs.index.recall import recall
from jobs.index.retire import to_retire
from jobs.index.servable import why_not
from jobs.index.verdict import Found, problems

SOUND = Found(
    lake_users=5,
    lake_items=7,
    bad=0,
    mongo_users=5,
    milvus_items=7,
    recall=1.0,
    lake_neighbours=6,
    lake_lists=5,
    mongo_neighbours=6,
    mongo_lists=5,
)


def test_recall_counts_what_is_among_the_exact_best_ten():
    ids = [f"s{i:02}" for i in range(30)]
    vectors = np.arange(30, dtype=np.float32)[:, None]
    up, down = [ids[-10:], ids[:10]]
    queries = np.array([[1], [-1]], np.float32)
    assert recall(queries, ids, vectors, [up, down]) == 1
    assert recall(queries, ids, vectors, [up, [*down[:5], *up[:5]]]) == 0.75
    assert recall(queries, ids, vectors, [[ids[-1]] * 10, []]) == pytest.approx(0.05)


def test_recall_takes_any_of_equal_songs():
    ids = [f"s{i:02}" for i in range(30)]
    assert recall(np.ones((1, 2), np.float32), ids, np.ones((30, 2)), [ids[20:]]) == 1


def test_recall_with_fewer_songs_than_ten():
    vectors = np.eye(3, dtype=np.float32)
    assert recall(vectors[:1], ["a", "b", "c"], vectors, [["a", "b", "c"]]) == 1


@pytest.mark.parametrize(
    ("changed", "clause"),
    [
        ({"mongo_users": 4}, "4 in MongoDB"),
        ({"milvus_items": 8}, "8 in Milvus"),
        ({"mongo_neighbours": 0}, "neighbours of 6 songs in the lake, of 0 in MongoDB"),
        ({"mongo_lists": 4}, "5 nightly lists in the lake, 4 in MongoDB"),
        ({"bad": 1}, "NaN"),
        ({"recall": 0.94}, "0.940"),
    ],
)
def test_each_fault_of_an_index_is_named(changed, clause):
    (problem,) = problems(replace(SOUND, **changed), 0.95)
    assert clause in problem


def test_a_sound_index_has_no_problems():
    assert problems(replace(SOUND, recall=0.95), 0.95) == []


@pytest.mark.parametrize(
    ("state", "gone", "may"),
    [
        (State.TRAINED, False, False),
        (State.GATED, False, False),
        (State.REJECTED, False, False),
        (State.INDEXED, False, True),
        (State.INDEXED, True, False),
        (State.RETIRED, False, True),  # a rollback
        (State.RETIRED, True, False),
        (State.LIVE, False, True),
    ],
)
def test_who_may_be_live(state, gone, may):
    assert (why_not(state, gone) is None) == may


@pytest.mark.parametrize(
    ("servable", "live", "keep", "retired"),
    [
        (["d", "c", "b", "a"], "d", 3, ["a"]),
        (["c", "b", "a"], "c", 3, []),
        (["d", "c", "b", "a"], "a", 3, ["b"]),  # after a rollback that is not in order yet
        (["b", "a"], "b", 1, ["a"]),
        ([], "a", 3, []),
    ],
)
def test_the_last_few_stay_and_the_live_one_always(servable, live, keep, retired):
    assert to_retire(servable, live, keep) == retired
