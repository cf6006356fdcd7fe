"""`make bench-training`: MLlib and the exact engine fit the same pairs, in turn, in one session.

30Music (the 90 days before a day), HetRec, and simulated pairs in millions: songs by a Zipf law,
listeners' activity log-normal. Each engine fits each data set once to warm up, which is reported
apart, and then several times in turn; the table has the median. Needs no running stack.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from infra.local.alone import configure_spark
from infra.local.bench_quality import CUTS, HETREC, MUSIC, REPORTS, read_music
from infra.local.memory import PeakMemory
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.settings import load_settings
from jobs.session import spark_session
from jobs.training import exact, mllib
from jobs.training.als import AlsParams, Factors
from jobs.training.weights import weighted
from jobs.training.window import plays_per_pair

MILLION = 1_000_000
USERS_PER_PAIR, ITEMS_PER_PAIR = 1 / 40, 1 / 100


@dataclass(frozen=True)
class Case:
    """One data set: its weights, and how it is fitted."""

    name: str
    weights: DataFrame
    params: AlsParams


@dataclass(frozen=True)
class Fit:
    """Seconds: of the whole fit, of what comes before the first iteration, of one iteration."""

    whole: float
    setup: float
    iteration: float


def by_mllib(weights: DataFrame, params: AlsParams) -> Fit:
    """Fit with MLlib, which does not say where its time goes: an iteration is a share of it all."""
    began = time.perf_counter()
    _materialise(mllib.train(weights, params))
    whole = time.perf_counter() - began
    return Fit(whole, float("nan"), whole / params.iterations)


def by_exact(limits: exact.Limits) -> Callable[[DataFrame, AlsParams], Fit]:
    """Return a fit with the exact engine; an iteration is the median of all but the first."""

    def fit(weights: DataFrame, params: AlsParams) -> Fit:
        laps = [time.perf_counter()]

        def go_on(_: exact.Lap) -> bool:
            laps.append(time.perf_counter())
            return True

        factors = exact.train(weights, params, limits, go_on=go_on)
        _materialise(factors)
        steps = np.diff(laps)
        later = steps[2:] if len(steps) > 2 else steps[1:]
        return Fit(time.perf_counter() - laps[0], float(steps[0]), float(np.median(later)))

    return fit


ENGINES = {
    "mllib": by_mllib,
    "exact, driver": by_exact(exact.Limits(driver_pairs=sys.maxsize)),
    "exact, executors": by_exact(exact.Limits(driver_pairs=0)),
}


def _materialise(factors: Factors) -> None:
    for frame in (factors.users, factors.items):
        frame.write.format("noop").mode("overwrite").save()


def simulated(spark: SparkSession, pairs: int, seed: int = 0) -> DataFrame:
    """Return so many distinct pairs with weights, cached."""
    rng = np.random.default_rng(seed)
    users, items = int(pairs * USERS_PER_PAIR), int(pairs * ITEMS_PER_PAIR)
    active = np.cumsum(rng.lognormal(0, 1.2, users))
    liked = np.cumsum(1 / (rng.permutation(items) + 20))
    keys = np.empty(0, np.int64)
    while len(keys) < pairs:
        more = int((pairs - len(keys)) * 1.3) + 1000
        user = np.searchsorted(active, rng.random(more) * active[-1])
        keys = np.union1d(keys, user * items + np.searchsorted(liked, rng.random(more) * liked[-1]))
    keys = rng.permutation(keys)[:pairs]
    weights = (1 + rng.geometric(0.5, pairs)).astype(np.float32)
    table = pa.table({"user": keys // items, "item": keys % items, "weight": weights})
    return spark.createDataFrame(table).select(
        F.col("user").cast("string").alias("user_id"),
        F.col("item").cast("string").alias("track_id"),
        "weight",
    )


def hetrec(spark: SparkSession, path: Path) -> DataFrame:
    """Return the listening counts of HetRec as plays of pairs."""
    rows = pd.read_csv(path, sep="\t", dtype=str)
    rows.columns = pd.Index(["user_id", "track_id", "plays"])
    rows["plays"] = rows["plays"].astype(float)
    return spark.createDataFrame(rows)


def cases(spark: SparkSession, data: Path, millions: list[int]) -> list[Case]:
    """Return every data set; the real ones with the shipped parameters, where they are there."""
    settings = load_settings()
    own = AlsParams(settings.rank, settings.reg, settings.alpha, settings.iterations, settings.seed)
    found = []
    if (data / MUSIC).is_file():
        start = CUTS[-1] - timedelta(days=settings.window_days)
        plays = read_music(spark, data / MUSIC).where(
            F.col("date").between(start, CUTS[-1] - timedelta(days=1))
        )
        pairs = plays_per_pair(plays, CUTS[-1])
        found.append(Case("30Music", weighted(pairs, settings.weighting), replace(own, rank=128)))
    if (data / HETREC).is_file():
        counts = weighted(hetrec(spark, data / HETREC), settings.weighting)
        found.append(Case("HetRec", counts, own))
    for number in millions:
        name = f"{number} M simulated"
        found.append(Case(name, simulated(spark, number * MILLION), replace(own, rank=64)))
    if not found:
        raise BadInput(f"there is neither {MUSIC} nor {HETREC} in {data}, and no PAIRS are asked")
    return found


def measure(case: Case, engines: list[str], rounds: int) -> list[str]:
    """Return the rows of one data set in the table."""
    weights = case.weights.cache()
    pairs = weights.count()
    cold: dict[str, float] = {}
    fits: dict[str, list[Fit]] = {name: [] for name in engines}
    memory: dict[str, float] = {}
    for turn in range(rounds + 1):
        for name in engines:
            with PeakMemory() as peak:
                fit = ENGINES[name](weights, case.params)
            memory[name] = max(memory.get(name, 0.0), peak.peak_gib)
            print(f"  {case.name}, {name}, round {turn}: {fit.whole:.1f} s", flush=True)
            if turn == 0:
                cold[name] = fit.whole
            else:
                fits[name].append(fit)
    weights.unpersist()
    rows, base = [], None
    for name, found in fits.items():
        fit = Fit(*(statistics.median(part) for part in zip(*map(astuple, found), strict=True)))
        base = base or fit
        cells = [case.name, f"{pairs:,}", case.params.rank, name, f"{cold[name]:.1f}"]
        cells += [f"{fit.whole:.2f}", f"{base.whole / fit.whole:.1f}x", f"{fit.setup:.2f}"]
        cells += [f"{fit.iteration:.3f}", f"{base.iteration / fit.iteration:.1f}x"]
        rows.append(" | ".join(["", *map(str, cells), f"{memory[name]:.1f}", ""]).strip())
    return rows


def run(data: Path, millions: list[int], engines: list[str], rounds: int) -> None:
    """Measure everything, print the table and keep it in reports/training.md."""
    configure_spark()
    spark = spark_session(load_settings(), "bench-training")
    heads = ["data", "pairs", "rank", "engine", "cold fit s", "fit s", "faster", "set-up s"]
    heads += ["iteration s", "faster", "peak GiB"]
    table = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    try:
        for case in cases(spark, data, millions):
            print(f"bench-training: {case.name}", flush=True)
            table += measure(case, engines, rounds)
    finally:
        spark.stop()
    text = "\n".join(table) + "\n"
    print(text, end="")
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "training.md").write_text(text)


def main() -> int:
    """Run the bench; 1 where there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="make bench-training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of both data sets")
    parser.add_argument("--pairs", type=int, nargs="*", default=[], help="simulated, in millions")
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--rounds", type=int, default=3, help="fits after the one that warms up")
    args = parser.parse_args()
    try:
        run(args.data, args.pairs, args.engines, args.rounds)
    except NocturneError as error:
        print(f"bench-training: ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
