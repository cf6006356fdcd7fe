"""Rows of ALS, solved: in machine code, with NumPy, and by brute force in float64."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from jobs.training import kernels
from jobs.training.kernels import CHUNK, Rows, eigenbasis
from jobs.training.window import window_start
from tests.integration.board import board

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


@pytest.fixture(params=["checkerboard", "30Music"])
def plays(request):
    """Plays as user, song: the board's, or those of the last ninety days of the real log."""
    if request.param == "checkerboard":
        return pd.DataFrame([(user, song) for user, song, _ in board()], columns=["user", "song"])
    log = request.getfixturevalue("shared_data") / "30music/sessions_sample_10.parquet.snappy"
    found = pd.read_parquet(log, columns=["user_id", "song_id", "ts"])
    last = date(2015, 1, 5)
    day = pd.to_datetime(found["ts"], unit="s").dt.date
    found = found[(day >= window_start(last, 90)) & (day < last)]
    return found.rename(columns={"user_id": "user", "song_id": "song"})[["user", "song"]]


def grouped(pairs, side, other):
    """Return the pairs (numbers of user and song, weight) as rows of one side; none has no row."""
    pairs = pairs.sort_values([side, other])
    ends = np.concatenate([[0], np.bincount(pairs[side]).cumsum()])
    return Rows(ends, pairs[other].to_numpy(np.int32), pairs["weight"].to_numpy(np.float32))


def test_a_real_iteration_solves_rows_of_every_length_exactly(plays):
    """Users, then songs against them, at rank 128: one row of each length on both sides."""
    pairs = plays.apply(lambda ids: pd.factorize(ids)[0]).value_counts().reset_index(name="plays")
    pairs["weight"] = np.log1p(pairs["plays"])
    pairs["weight"] /= pairs["weight"].mean()
    y = np.random.default_rng(0).normal(size=(pairs["song"].max() + 1, 128))
    y = (y / np.linalg.norm(y, axis=1, keepdims=True)).astype(np.float32)
    for side, other in (("user", "song"), ("song", "user")):
        rows = grouped(pairs, side, other)
        z, values, basis = eigenbasis(y)
        found = kernels.solve(rows, z, values, REG, ALPHA) @ basis.T
        for i in np.unique(np.diff(rows.ends), return_index=True)[1]:
            expected = brute_force(rows, y, i)
            assert np.linalg.norm(found[i] - expected) <= 1e-4 * np.linalg.norm(expected)
        y = found


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
