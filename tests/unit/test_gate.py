"""The gate: what it objects to, in which words, and what it lets pass."""

import pytest

from jobs.contract.generations import Norms
from jobs.contract.settings import load_settings
from jobs.training.gate import objections
from tests.manifests import manifest

SETTINGS = load_settings()
LIVE = manifest("g20240301T0200_00000001", plays=10_000, users=1_000, items=500)
CANDIDATE = LIVE.model_copy(update={"generation": "g20240302T0200_00000002"})


def entry(candidate, other, low, high, listeners=500, slice_="everyone"):
    return {
        "metric": "home unheard ndcg_10",
        "slice": slice_,
        "candidate": candidate,
        "other": other,
        "low": low,
        "high": high,
        "listeners": listeners,
    }


def report(of=CANDIDATE, **changes):
    found = {
        "factors": {
            "users": {"rows": of.users, "bad": 0, "norm": 1.0},
            "items": {"rows": of.items, "bad": 0, "norm": 1.0},
            "window_recall_20": {"candidate": 0.5, "popularity": 0.1},
        },
        "against_popularity": [entry(0.04, 0.02, 0.01, 0.03)],
        "against_live": [entry(0.04, 0.04, -0.005, 0.005)],
    }
    return found | changes


def said(found, of=CANDIDATE, live=LIVE):
    return objections(found, of, live, SETTINGS)


def test_a_sound_equal_candidate_passes() -> None:
    assert said(report()) == []
    assert said(report(), live=None) == []


def test_worse_beyond_noise_names_metric_values_and_slice() -> None:
    worse = [entry(0.03, 0.04, -0.015, -0.005, slice_="long-tail songs")]
    (sentence,) = said(report(against_live=worse))
    for part in ("home unheard ndcg_10", "0.0300", "0.0400", "long-tail songs", "-0.0150"):
        assert part in sentence


@pytest.mark.parametrize(
    "fine",
    [
        entry(0.035, 0.04, -0.011, 0.001),  # the difference may be noise
        entry(0.0397, 0.04, -0.0004, -0.0002),  # sure, but within the tolerance
        entry(0.01, 0.04, -0.05, -0.02, listeners=SETTINGS.gate_min_listeners - 1),  # too few
    ],
)
def test_noise_trifles_and_handfuls_do_not_reject(fine) -> None:
    assert said(report(against_live=[fine])) == []


def test_no_better_than_popularity() -> None:
    (sentence,) = said(report(against_popularity=[entry(0.02, 0.02, -0.001, 0.001)]))
    assert "popularity" in sentence
    assert "0.0200" in sentence


def test_broken_numbers_and_missing_rows() -> None:
    found = report()
    found["factors"]["users"]["bad"] = 3
    found["factors"]["items"]["rows"] = 0
    sentences = " ".join(said(found))
    assert "3 vectors of users hold NaN" in sentences
    assert "0 items, its manifest says 500" in sentences


def test_vectors_under_the_wrong_ids() -> None:
    found = report()
    found["factors"]["window_recall_20"] = {"candidate": 0.01, "popularity": 0.1}
    (sentence,) = said(found)
    assert "mixed up" in sentence


def test_a_model_that_shrank_by_nine_tenths() -> None:
    small = CANDIDATE.model_copy(update={"users": 100, "items": 50, "plays": 1_000})
    sentences = said(report(small), small)
    assert [s.split(",")[0] for s in sentences] == [
        "it has 100 listeners",
        "it has 50 songs",
        "it has 1000 plays",
    ]
    assert "10% of the 1000" in sentences[0]


def test_a_jump_of_the_norms_with_the_same_parameters() -> None:
    jumped = CANDIDATE.model_copy(update={"norms": Norms(users=9.0, items=1.0)})
    (sentence,) = said(report(), jumped)
    assert "median norm of its users" in sentence
    other = jumped.model_copy(update={"params": {"rank": 16}})
    assert said(report(), other) == []
