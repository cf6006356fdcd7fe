"""Rows of ALS, solved: in machine code, with NumPy, and by brute force in float64."""

import numpy as np
import pytest

from jobs.training import kernels
from jobs.training.kernels import CHUNK, Rows, eigenbasis

REG, ALPHA, COLUMNS = 6.0, 320.0, 9000
LENGTHS = [0, 1, 2, 5, 15, 16, 17, 40, 0, 300, CHUNK - 1, CHUNK, CHUNK + 1, 5000, COLUMNS]
SOLVERS = [kernels.solve, kernels.solve_by_numpy]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(7)
    ends = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64)
    columns = [np.sort(rng.choice(COLUMNS, length, replace=False)) for length in LENGTHS]
    weights = rng.gamma(1, 1, ends[-1]).astype(np.float32) + 0.05
    return Rows(ends, np.concatenate(columns).astype(np.int32), weights)


def brute_force(rows, y, i):
    """Solve one row of MLlib's objective as it is written."""
    here = slice(rows.ends[i], rows.ends[i + 1])
    y = y.astype(np.float64)
    own, r = y[rows.columns[here]], rows.weights[here].astype(np.float64)
    left = y.T @ y + own.T @ (own * (ALPHA * r)[:, None]) + REG * len(r) * np.eye(y.shape[1])
    return np.linalg.solve(left, own.T @ (1 + ALPHA * r))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("rank", [1, 16, 64])
def test_rows_of_every_length_are_solved_exactly(rows, rank, solver):
    y = np.random.default_rng(rank).normal(0, 0.3, (COLUMNS, rank)).astype(np.float32)
    z, values, basis = eigenbasis(y)
    found = solver(rows, z, values, REG, ALPHA) @ basis.T
    for i, length in enumerate(LENGTHS):
        expected = brute_force(rows, y, i) if length else np.zeros(rank)
        assert np.linalg.norm(found[i] - expected) <= 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize("solver", SOLVERS)
def test_vectors_of_less_than_full_rank_are_no_trouble(rows, solver):
    y = np.zeros((COLUMNS, 8), np.float32)
    y[:, :2] = np.random.default_rng(1).normal(size=(COLUMNS, 2))
    z, values, basis = eigenbasis(y)
    found = solver(rows, z, values, REG, ALPHA) @ basis.T
    assert np.allclose(found[3], brute_force(rows, y, 3), rtol=1e-3, atol=1e-5)
    assert np.allclose(found[:, 2:], 0, atol=1e-5)


def test_numba_is_used():
    assert kernels.COMPILED is not None
