"""Search for better parameters of ALS, each tried on the exam of the nightly evaluation.

Optuna (TPE) proposes rank, reg, alpha, weighting and half-life; every trial is trained on the
window without its last days and asked about them. What counts is NDCG@10 of unheard songs. One
trial is what nightly trainings use now. A repeat goes on where it was, also after a crash. A
better winner is proposed: `train_als --tuned` trains a generation with it, and only when that
has passed the gate do nightly trainings use it. Writes `tuning/<study>/report.html` and .json.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from pyspark.sql import SparkSession

from jobs.contract import names
from jobs.contract.errors import NocturneError, TooLittleData
from jobs.contract.settings import Settings, load_settings
from jobs.phases import phase
from jobs.reporting.tuning import tuning_html
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.objects import Objects
from jobs.stores.tuned import TunedParams
from jobs.training import assessment, window
from jobs.training.exam import set_exam
from jobs.training.recipe import Recipe
from jobs.training.search import Figures, choices, lines, search, summary
from jobs.training.trial import neighbour_pairs, try_recipe

TRIALS = 20

timed = partial(phase, "tune_als")


def study_of(
    settings: Settings, default: Recipe, as_of: date, version: int, seed: int
) -> optuna.Study:
    """Return the study of this window, new or as it was left.

    Its name carries all that makes scores comparable: plays, seed, and what no trial changes.
    """
    folder = Path(settings.tuning_dir)
    folder.mkdir(parents=True, exist_ok=True)
    same = [*choices(default).values(), default.iterations, default.seed]
    same += [settings.test_days, settings.session_user_weight]
    digits = hashlib.sha256(repr(same).encode()).hexdigest()[:6]
    name = f"{as_of:%Y%m%d}_{settings.window_days}d_v{version}_s{seed}_{digits}"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / f"{name}.log"))),
        study_name=name,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=8),
        load_if_exists=True,
    )


def tune(settings: Settings, as_of: date, trials: int, seed: int) -> dict[str, Any]:
    """Search, write the report, propose the winner where it is better; return the report."""
    with closing(TunedParams(settings)) as tuned:
        found = tuned.default()
    default = Recipe.of(Recipe.of(settings).params() | (found["params"] if found else {}))
    spark = spark_session(settings, "tune_als")
    try:
        version = lake.table_version(spark, lake.url(settings, names.RAW_LOGS))
        study = study_of(settings, default, as_of, version, seed)
        search(study, default, trials, _measure(spark, settings, as_of, version))
    finally:
        spark.stop()
    report = summary(study, default, as_of)
    objects, folder = Objects(settings), f"{names.TUNING}/{study.study_name}"
    for key, body, kind in (
        ("report.json", json.dumps(report, indent=1), "application/json"),
        ("report.html", tuning_html(report), "text/html; charset=utf-8"),
    ):
        objects.put(settings.lake_bucket, f"{folder}/{key}", body.encode(), kind)
    best = report["best"]
    if report["better"]:
        with closing(TunedParams(settings)) as tuned:
            name = f"{study.study_name}_t{best['trial']}"
            tuned.propose(name, best["params"], best["score"], report["default"]["score"])
    return report


def _measure(
    spark: SparkSession, settings: Settings, as_of: date, version: int
) -> Callable[[Recipe], Figures]:
    start = window.window_start(as_of, settings.window_days)
    split = as_of - timedelta(days=settings.test_days)
    with timed(settings, "reading and asking"):
        logs = lake.read_logs(spark, settings, start, as_of, version)
        train = window.plays_between(logs, start, split).cache()
        exam = set_exam(train, window.plays_between(logs, split, as_of), {}, split, as_of)
        neighbours = neighbour_pairs(train, Recipe.of(settings))
    if assessment.judged(exam) < settings.gate_min_listeners:
        raise TooLittleData(
            f"{assessment.judged(exam)} listeners in [{start}, {as_of}) can be judged, "
            f"NOCTURNE_GATE_MIN_LISTENERS={settings.gate_min_listeners}: nothing to tune on"
        )

    def measure(recipe: Recipe) -> Figures:
        with timed(settings, "a trial"):
            found = try_recipe(exam, train, recipe, neighbours, settings.session_user_weight)
        return assessment.main_figures(exam, found)

    return measure


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, where nothing can be tuned."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--as-of", type=date.fromisoformat, metavar="YYYY-MM-DD")
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"complete trials ({TRIALS})")
    parser.add_argument("--seed", type=int, default=0, help="of the search (0)")
    parser.add_argument("--forget", action="store_true", help="go back to the settings, now")
    args = parser.parse_args(argv)
    if args.trials < 1:
        parser.error("--trials must be at least 1")
    try:
        settings = load_settings()
        if args.forget:
            with closing(TunedParams(settings)) as tuned:
                print(f"tune_als: {tuned.forget()} tuned parameters are no longer used")
            return 0
        report = tune(settings, args.as_of or datetime.now(UTC).date(), args.trials, args.seed)
    except NocturneError as error:
        print(f"tune_als: {error}", file=sys.stderr)
        return 1
    print(*lines(report), sep="\n")
    said = "the best is proposed: train_als --tuned" if report["better"] else "the default stays"
    print(f"tune_als: {report['study']}: {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
