"""`make bench-training CHAIN=14`: is a night's model as good when it starts from an earlier one?

Nights in a row on 30Music, the last one at a cut of bench_quality, each with the shipped parameters
and the engine `exact` on the 90 days before it, and asked about the 14 days from it. From scratch;
in a chain, from the songs' vectors of the night before, with one iteration or two (the first night
is from scratch); and from the model of the window without its last days, the one that an evaluation
asks, as a night from scratch does it. Writes reports/training_chain.md and .json.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from infra.local.alone import configure_spark
from infra.local.bench_pairs import between, night
from infra.local.bench_quality import CUTS, MUSIC, REPORTS, read_music
from infra.local.training_report import markdown
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.session import spark_session
from jobs.training import exact
from jobs.training.als import AlsParams, Factors, Vectors, collect_factors
from jobs.training.assessment import MIN_SONGS, relevant
from jobs.training.contestant import Answers, answer
from jobs.training.exam import Exam
from jobs.training.metrics import Doubles, Mean, mean_of, per_listener, per_move
from jobs.training.night import from_split, mean_cosine
from jobs.training.recipe import Recipe
from jobs.training.trial import neighbour_pairs, seated
from jobs.training.weights import weighted
from jobs.training.window import plays_per_pair, window_start

SCRATCH, SPLIT = "scratch", "from the split"
CHAINS = {"chain, 1 iteration": 1, "chain, 2 iterations": 2}
STRATEGIES = ("session_hybrid", "session_cosine")


@dataclass(frozen=True)
class Model:
    """A night's factors, its songs' vectors in the driver, and the seconds of its iterations."""

    factors: Factors
    songs: Vectors
    seconds: float


@dataclass(frozen=True)
class Values:
    """A metric, value by value: of listeners or of moves, in an order that is the exam's."""

    of: Doubles
    owners: NDArray[np.object_]
    """Ids of the listeners."""


@dataclass(frozen=True)
class Night:
    """What one way to train gave on one night.

    `likeness` is the mean cosine of its songs' vectors with those of the night before.
    """

    as_of: date
    way: str
    seconds: float
    likeness: float | None
    metrics: dict[str, Values]

    def means(self) -> dict[str, float]:
        """Return the mean of each metric."""
        return {name: float(np.nanmean(values.of)) for name, values in self.metrics.items()}


class Trainer:
    """Trains as the settings say, on what is left of the log before a day."""

    def __init__(self, settings: Settings) -> None:
        s = self._settings = settings
        self._params = AlsParams(s.rank, s.reg, s.alpha, s.iterations, s.seed)
        self._limits = exact.Limits(s.exact_driver_pairs, s.exact_broadcast_mib)
        self.split_iterations = from_split(Recipe.of(s))

    def weights(self, plays: DataFrame, as_of: date) -> DataFrame:
        """Return the weights of the plays before a day."""
        pairs = plays_per_pair(plays, as_of, self._settings.half_life)
        return weighted(pairs, self._settings.weighting)

    def fit(self, weights: DataFrame, warm: tuple[int, Vectors] | None = None) -> Model:
        """Fit from scratch, or so many iterations from songs' vectors."""
        iterations, start = warm or (self._params.iterations, None)
        params = replace(self._params, iterations=iterations)
        laps: list[float] = []

        def go_on(_: exact.Lap) -> bool:
            laps.append(time.perf_counter())
            return True

        factors = exact.train(weights, params, self._limits, start, go_on)
        return Model(factors, collect_factors(factors.items), laps[-1] - laps[0])


def nights(plays: DataFrame, days: list[date], settings: Settings) -> Iterator[Night]:
    """Yield each way of each night; the days follow each other."""
    trainer = Trainer(settings)
    before: dict[str, Vectors] = {}
    for as_of in days:
        train, exam = night(plays, as_of, settings.window_days)
        neighbours = neighbour_pairs(train, Recipe.of(settings))
        for way, model in models(trainer, train, as_of, settings, before).items():
            taking = seated(exam, model.factors, neighbours)
            metrics = values(exam, answer(exam, taking, settings.session_user_weight))
            like = mean_cosine(model.songs, before[way]) if way in before else None
            before[way] = model.songs
            yield Night(as_of, way, model.seconds, like, metrics)
        train.unpersist()


def models(
    trainer: Trainer, train: DataFrame, as_of: date, settings: Settings, before: dict[str, Vectors]
) -> dict[str, Model]:
    """Return the night's model of each way; `before` are the songs of the night before."""
    weights = trainer.weights(train, as_of).cache()
    found = {SCRATCH: trainer.fit(weights)}
    for way, iterations in CHAINS.items():
        last = before.get(way)
        found[way] = trainer.fit(weights, (iterations, last)) if last else found[SCRATCH]
    split = as_of - timedelta(days=settings.test_days)
    known = between(train, window_start(as_of, settings.window_days), split)
    evaluated = trainer.fit(trainer.weights(known, split))
    found[SPLIT] = trainer.fit(weights, (trainer.split_iterations, evaluated.songs))
    weights.unpersist()
    return found


def values(exam: Exam, found: Answers) -> dict[str, Values]:
    """Return what is compared: of the listeners that the main metrics ask, and of every move."""
    asked = np.flatnonzero(np.diff(exam.heard.indptr) >= MIN_SONGS)
    home = per_listener(found.home["unheard"], relevant(exam, "unheard"))["ndcg_10"]
    listeners = exam.listeners.to_numpy()
    metrics = {"unheard NDCG@10": Values(home[asked], listeners[asked])}
    for strategy in STRATEGIES:
        hits = per_move(found.next[strategy])["hr_20"]
        metrics[f"HR@20, {strategy}"] = Values(hits, listeners[exam.moves.listener])
    return metrics


def difference(found: list[Night], way: str, metric: str) -> Mean:
    """Return way - scratch of the same listeners or moves, over all nights, by listener."""
    mine, scratch = ([n.metrics[metric] for n in found if n.way == w] for w in (way, SCRATCH))
    paired = np.concatenate([a.of - b.of for a, b in zip(mine, scratch, strict=True)])
    owners = pd.factorize(np.concatenate([each.owners for each in mine]))[0]
    return mean_of(paired, owners.astype(np.int64), seed=0)


def summary(found: list[Night]) -> list[dict[str, Any]]:
    """Return each way beside scratch; the first night, on which chains begin, is left out."""
    first = min(night.as_of for night in found)
    later = [night for night in found if night.as_of > first]
    rows = []
    for way in (*CHAINS, SPLIT):
        mine, scratch = (median(n.seconds for n in later if n.way == w) for w in (way, SCRATCH))
        metrics = {name: asdict(difference(later, way, name)) for name in later[0].metrics}
        rows.append({"way": way, "iteration_time": mine / scratch, "difference": metrics})
    return rows


def text(found: list[Night], rows: list[dict[str, Any]]) -> str:
    """Return everything as Markdown."""
    names = list(found[0].metrics)
    heads = ["night", "way", *names, "likeness to the night before", "iterations s"]
    table = [
        [
            *(str(n.as_of), n.way, *(f"{mean:.4f}" for mean in n.means().values())),
            *("-" if n.likeness is None else f"{n.likeness:.3f}", f"{n.seconds:.2f}"),
        ]
        for n in found
    ]
    compared = []
    for row in rows:
        means = [row["difference"][name] for name in names]
        cells = [f"{m['mean']:+.4f} ({m['low']:+.4f} to {m['high']:+.4f})" for m in means]
        compared.append([row["way"], *cells, f"{row['iteration_time']:.3f}"])
    notes = (
        "Less scratch, of the same listeners and moves of all nights but the first, with 95 % "
        "intervals by listener; and the median night's time of the iterations as a share of "
        "scratch's. The model that the split's starts from is not in it: an evaluation trains it."
    )
    last = markdown(["way", *names, "iteration time"], compared)
    return f"{markdown(heads, table)}\n\n{notes}\n\n{last}\n"


def run(data: Path, count: int, settings: Settings) -> None:
    """Measure so many nights; print the report and write it to `reports/`."""
    if not (data / MUSIC).is_file():
        raise BadInput(f"there is no {data / MUSIC}: give DATA=<folder>")
    days = [CUTS[-1] - timedelta(days=n) for n in reversed(range(max(2, count)))]
    configure_spark()
    spark = spark_session(settings, "bench-chain")
    found = []
    try:
        for one in nights(read_music(spark, data / MUSIC), days, settings):
            found.append(one)
            means = ", ".join(f"{name} {mean:.4f}" for name, mean in one.means().items())
            print(f"  {one.as_of}, {one.way}: {means}, {one.seconds:.2f} s", flush=True)
    finally:
        spark.stop()
    rows = summary(found)
    said = text(found, rows)
    print(said, end="")
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "training_chain.md").write_text(said)
    kept = [
        {"as_of": n.as_of.isoformat(), "way": n.way, "seconds": n.seconds, "likeness": n.likeness}
        | n.means()
        for n in found
    ]
    whole = {"nights": kept, "summary": rows}
    (REPORTS / "training_chain.json").write_text(json.dumps(whole, indent=1) + "\n")


def main() -> int:
    """Run the bench; 1 where the data is missing."""
    parser = argparse.ArgumentParser(prog="make bench-training CHAIN=14", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds 30music/")
    parser.add_argument("--nights", type=int, required=True, help="in a row; 2 at least")
    args = parser.parse_args()
    try:
        run(args.data, args.nights, load_settings())
    except NocturneError as error:
        print(f"bench-chain: ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
