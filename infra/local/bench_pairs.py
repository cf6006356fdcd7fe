"""The pairs that `make bench-training` fits: of 30Music, of HetRec, and simulated millions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from infra.local.bench_quality import CUTS, HETREC, MUSIC, TEST_DAYS, read_music
from jobs.contract.settings import Settings
from jobs.training.als import AlsParams, Factors
from jobs.training.assessment import main_figures
from jobs.training.contestant import answer
from jobs.training.exam import Exam, set_exam
from jobs.training.recipe import Recipe
from jobs.training.trial import neighbour_pairs, seated
from jobs.training.weights import weighted
from jobs.training.window import plays_per_pair, window_start

MILLION = 1_000_000
USERS_PER_PAIR, ITEMS_PER_PAIR = 1 / 40, 1 / 100
ITERATIONS = 4
MLLIB_AT = {2 * MILLION: 2, 10 * MILLION: 1}
"""MLlib's iterations of simulated pairs, up to so many; above, a fit of it takes too long."""


@dataclass(frozen=True)
class Case:
    """One data set: its weights, and how it is fitted."""

    name: str
    weights: DataFrame
    params: AlsParams
    by_mllib: int
    """Iterations of MLlib, so that it ends in time; 0: it does not fit this."""
    judge: Callable[[Factors], dict[str, float]] | None = None
    """What held-out plays say about a model, where there are any."""
    simulated: bool = False


def cases(
    spark: SparkSession, settings: Settings, data: Path, millions: list[int], folder: Path
) -> Iterator[Case]:
    """Yield the data sets that are there, then simulated pairs, which are kept in `folder`.

    HetRec has the shipped parameters, the others their own rank.
    """
    own = AlsParams(settings.rank, settings.reg, settings.alpha, settings.iterations, settings.seed)
    if (data / MUSIC).is_file():
        train, exam = night(read_music(spark, data / MUSIC), CUTS[-1], settings.window_days)
        counts = plays_per_pair(train, CUTS[-1], settings.half_life)
        pairs = weighted(counts, settings.weighting)
        params = replace(own, rank=128)
        neighbours = neighbour_pairs(train, Recipe.of(settings))
        judge = judge_by(exam, neighbours, settings.session_user_weight)
        yield Case("30Music", pairs, params, own.iterations, judge)
    if (data / HETREC).is_file():
        pairs = weighted(hetrec(spark, data / HETREC), settings.weighting)
        yield Case("HetRec", pairs, own, own.iterations)
    for number in sorted(millions):
        params = replace(own, rank=64, iterations=ITERATIONS)
        pairs = simulated(spark, number * MILLION, folder)
        by_mllib = next((n for most, n in MLLIB_AT.items() if number * MILLION <= most), 0)
        yield Case(f"{number} M simulated", pairs, params, by_mllib, simulated=True)


def night(plays: DataFrame, as_of: date, days: int) -> tuple[DataFrame, Exam]:
    """Return the plays of the window before a day, cached, and the exam of the 14 days from it."""
    end = as_of + timedelta(days=TEST_DAYS)
    train = between(plays, window_start(as_of, days), as_of).cache()
    return train, set_exam(train, between(plays, as_of, end), {}, as_of, end)


def between(plays: DataFrame, start: date, end: date) -> DataFrame:
    """Return the plays of the days [start, end)."""
    return plays.where((F.col("date") >= F.lit(start)) & (F.col("date") < F.lit(end)))


def judge_by(
    exam: Exam, neighbours: pd.DataFrame, user_weight: float
) -> Callable[[Factors], dict[str, float]]:
    """Return what gives the main figures of a model in the exam."""
    return lambda factors: main_figures(
        exam, answer(exam, seated(exam, factors, neighbours), user_weight)
    )


def hetrec(spark: SparkSession, path: Path) -> DataFrame:
    """Return the listening counts of HetRec as plays of pairs."""
    rows = pd.read_csv(path, sep="\t", dtype=str)
    rows.columns = pd.Index(["user_id", "track_id", "plays"])
    rows["plays"] = rows["plays"].astype(float)
    return spark.createDataFrame(rows)


def simulated(spark: SparkSession, pairs: int, folder: Path, seed: int = 0) -> DataFrame:
    """Return so many distinct pairs with weights, of a file that it writes into the folder.

    Songs are drawn by a Zipf law and listeners by a log-normal activity, and there are more of
    both where there are more pairs, so that rows stay about as long.
    """
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
    file = folder / f"{pairs}.parquet"
    pq.write_table(table, file, row_group_size=MILLION)
    return spark.read.parquet(str(file)).select(
        F.col("user").cast("string").alias("user_id"),
        F.col("item").cast("string").alias("track_id"),
        "weight",
    )
