"""Hidden tastes: what random, popular, recommended and ideal lists are worth."""

import numpy as np
import pytest

from infra.local.tastes import TOP, judge

RNG = np.random.default_rng(2)
AFFINITY = RNG.gamma(0.5, size=(200, 60))


def by_name(lists):
    return {row.name: row for row in judge(AFFINITY, lists)}


def test_the_oracle_is_the_most_and_chance_the_least_that_counts():
    best = np.argsort(-AFFINITY, axis=1)[:, :TOP]
    found = by_name({"home": best.tolist()})
    assert (found["random"].share, found["oracle"].share) == (0.0, 1.0)
    assert found["home"].affinity == pytest.approx(found["oracle"].affinity)
    assert found["random"].affinity == pytest.approx(AFFINITY.mean())


def test_lists_of_somebody_else_are_worth_chance():
    best = np.argsort(-AFFINITY, axis=1)[:, :TOP]
    found = by_name({"home": np.roll(best, 1, axis=0).tolist()})
    assert abs(found["home"].share) < 0.1


def test_a_known_mean():
    found = judge(np.array([[1.0, 3.0] + [0.0] * 18]), {"home": [[0, 1]]})
    assert [round(row.affinity, 3) for row in found] == [0.2, 2.0, 0.4]
