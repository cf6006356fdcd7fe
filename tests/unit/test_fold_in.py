"""A vector from plays alone against brute force and against ALS itself; where scores come from."""

import numpy as np
import pytest

from jobs.training import als
from jobs.training.recipe import Recipe, fit_pairs
from jobs.training.weights import mean_weight, weighted
from serving.recommend.fold_in import fold_in
from serving.recommend.model import Model, Training
from serving.recommend.reasons import of_plays


@pytest.fixture(scope="module")
def model():
    draw = np.random.default_rng(1)
    matrix = draw.normal(size=(50, 8)).astype(np.float32)
    return Model([f"s{n}" for n in range(50)], matrix, Training(alpha=14.0, reg=1.25, mean=0.8))


def brute_force(model, plays):
    """Minimise the sum over all songs of c (p - y.x)^2, with reg * n * |x|^2, by its gradient."""
    y = model.matrix.astype(np.float64)
    trust, wanted = np.ones(len(model.ids)), np.zeros(len(model.ids))
    for track_id, count in plays.items():
        row = model.ids.index(track_id)
        trust[row] += model.training.alpha * np.log1p(count) / model.training.mean
        wanted[row] = 1.0
    system = (y.T * trust) @ y + model.training.reg * len(plays) * np.eye(y.shape[1])
    return np.linalg.solve(system, (y.T * trust) @ wanted)


@pytest.mark.parametrize("plays", [{"s1": 1}, {"s3": 2, "s7": 1, "s49": 30}])
def test_is_the_closed_form(model, plays):
    folded = fold_in(model, plays | {"unknown": 5})
    assert folded.vector == pytest.approx(brute_force(model, plays), rel=1e-4, abs=1e-6)
    assert fold_in(model, {"unknown": 1}) is None


def test_contributions_add_up_to_the_score(model):
    folded = fold_in(model, {"s1": 3, "s2": 1, "s9": 1})
    shares = folded.contributions(model.matrix)
    assert shares.shape == (50, 3)
    assert shares.sum(1) == pytest.approx(model.matrix @ folded.vector, abs=1e-6)


def test_a_reason_names_what_speaks_most_for_a_song(model):
    matrix = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]], dtype=np.float32)
    small = Model(["a", "a2", "b", "b2"], matrix, Training(alpha=10.0, reg=0.1))
    why = of_plays(small, fold_in(small, {"a": 1, "b": 1}), ["a2", "b2"])
    assert [why[t].songs[0][0] for t in ("a2", "b2")] == ["a", "b"]
    assert all(0 < share <= 1 for reason in why.values() for _, share in reason.songs)


@pytest.mark.parametrize("weighting", ["log", "linear", "clipped", "binary"])
def test_the_plays_of_training_give_the_vector_of_training(spark, weighting):
    """ALS solves the listeners last, so a fold-in repeats its last half-step."""
    draw = np.random.default_rng(4)
    pairs = {
        (f"u{draw.integers(30)}", f"s{draw.integers(25)}"): 1 + draw.poisson(2) for _ in range(300)
    }
    rows = [(user, song, int(count)) for (user, song), count in pairs.items()]
    frame = spark.createDataFrame(rows, "user_id string, track_id string, plays long")
    recipe = Recipe(6, 0.5, 8.0, 5, weighting, 7)
    factors = fit_pairs(frame, recipe)
    ids, matrix = als.collect_factors(factors.items)
    mean = mean_weight(frame, weighting)
    model = Model(ids, matrix, Training(recipe.alpha, recipe.reg, weighting, mean))
    scaled = {(r.user_id, r.track_id): r.weight for r in weighted(frame, weighting).collect()}
    counts = np.array([count for _, _, count in rows], dtype=np.float64)
    assert model.training.weights(counts) == pytest.approx([scaled[r[:2]] for r in rows], rel=1e-5)
    trained = {row.id: np.array(row.vector) for row in factors.users.collect()}
    for user in ("u1", "u2", "u3"):
        folded = fold_in(model, {song: n for (who, song), n in pairs.items() if who == user})
        assert folded.vector == pytest.approx(trained[user], rel=1e-3, abs=1e-4)
