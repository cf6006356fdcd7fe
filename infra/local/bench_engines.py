"""The engines that `make bench-training` lets fit the same pairs, and where their time goes."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

import numpy as np
from pyspark.sql import DataFrame
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from jobs.training import exact, mllib
from jobs.training.als import AlsParams, Factors, Vectors, number

DRIVER_PAIRS = 12_000_000
"""Above so many pairs the driver is not asked to solve them all: it would take too much memory."""
WARM, WARM_ITERATIONS = "exact, warm", 2


@dataclass(frozen=True)
class Fit:
    """Seconds: of the whole fit, of what comes before the first iteration, of one iteration."""

    whole: float
    setup: float | None
    """None: the engine does not say."""
    iteration: float


@dataclass(frozen=True)
class Engine:
    """One way to fit; `fit` takes weights, parameters, and songs' vectors to start from, if any."""

    name: str
    iterations: int
    fit: Callable[[DataFrame, AlsParams, Vectors | None], tuple[Fit, Factors | None]]
    judged: bool = False
    """Whether held-out plays are asked of its model: one that others have, too, is asked once."""
    gives_start: bool = False
    """Whether the songs' vectors that it finds are those that who comes after it may start from."""


def engines(pairs: int, iterations: int, by_mllib: int, limits: exact.Limits) -> list[Engine]:
    """Return who fits so many pairs, in turn; `by_mllib` are MLlib's iterations (0: none).

    `limits` are those of the settings, which say where `exact` works as it is shipped.
    """
    found = [Engine("mllib", by_mllib, fit_mllib, judged=True)] if by_mllib else []
    anywhere = exact.Limits(DRIVER_PAIRS, limits.broadcast_mib)
    executors = exact.Limits(0, limits.broadcast_mib)
    if pairs <= DRIVER_PAIRS:
        name, shipped = "exact, driver", pairs <= limits.driver_pairs
        found.append(Engine(name, iterations, from_scratch(anywhere), judged=shipped))
    name, shipped = "exact, executors", pairs > limits.driver_pairs
    found.append(Engine(name, iterations, from_scratch(executors), shipped, gives_start=True))
    found.append(Engine(WARM, WARM_ITERATIONS, from_start(limits), judged=True))
    if find_spec("implicit"):
        found.append(Engine("implicit", iterations, fit_implicit))
    return found


def fit_mllib(
    weights: DataFrame, params: AlsParams, _: Vectors | None = None
) -> tuple[Fit, Factors]:
    """Fit with MLlib, which does not say where its time goes: an iteration is a share of it all."""
    began = time.perf_counter()
    factors = mllib.train(weights, params)
    materialise(factors)
    whole = time.perf_counter() - began
    return Fit(whole, None, whole / params.iterations), factors


def from_scratch(
    limits: exact.Limits,
) -> Callable[[DataFrame, AlsParams, Vectors | None], tuple[Fit, Factors]]:
    """Return a fit with the exact engine that starts from random vectors."""
    return lambda weights, params, _: fit_exact(weights, params, limits)


def from_start(
    limits: exact.Limits,
) -> Callable[[DataFrame, AlsParams, Vectors | None], tuple[Fit, Factors]]:
    """Return a fit with the exact engine that starts from given vectors."""
    return lambda weights, params, start: fit_exact(weights, params, limits, start)


def fit_exact(
    weights: DataFrame, params: AlsParams, limits: exact.Limits, start: Vectors | None = None
) -> tuple[Fit, Factors]:
    """Fit with the exact engine; an iteration is the median of all but the first."""
    laps = [time.perf_counter()]

    def go_on(_: exact.Lap) -> bool:
        laps.append(time.perf_counter())
        return True

    factors = exact.train(weights, params, limits, start, go_on)
    materialise(factors)
    whole = time.perf_counter() - laps[0]
    setup, *steps = np.diff(laps).tolist()
    return Fit(whole, setup, _typical(steps)), factors


def fit_implicit(
    weights: DataFrame, params: AlsParams, _: Vectors | None = None
) -> tuple[Fit, None]:
    """Fit with the package implicit in the driver, all its cores; set-up is to bring the pairs.

    Another objective (its `reg` does not grow with a row) and another solver (three steps of
    conjugate gradients): it says what an iteration may cost, and nothing about the model.
    """
    from implicit.cpu.als import AlternatingLeastSquares  # a development dependency

    began = time.perf_counter()
    numbered = number(weights)
    users, items, values = (column.to_numpy() for column in numbered.frame.toArrow().columns)
    shape = len(numbered.user_ids), len(numbered.item_ids)
    trust = csr_matrix((1 + np.float32(params.alpha) * values, (users, items)), shape)
    setup = time.perf_counter() - began
    steps: list[float] = []
    with threadpool_limits(1, "blas"):  # as it asks for: its own threads do the work
        AlternatingLeastSquares(
            factors=params.rank,
            regularization=params.reg,
            iterations=params.iterations,
            num_threads=len(os.sched_getaffinity(0)),
            random_state=params.seed,
        ).fit(trust, show_progress=False, callback=lambda _, took, __: steps.append(took))
    return Fit(time.perf_counter() - began, setup, _typical(steps)), None


def materialise(factors: Factors) -> None:
    """Compute every vector, and keep none."""
    for frame in (factors.users, factors.items):
        frame.write.format("noop").mode("overwrite").save()


def _typical(steps: list[float]) -> float:
    return median(steps[1:] or steps)
