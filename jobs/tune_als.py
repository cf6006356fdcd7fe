"""Search for better parameters of ALS, each tried on the exam of the nightly evaluation.

Optuna (TPE) proposes rank, reg, alpha, weighting and half-life; every trial is trained on the
window without its last days and asked about them. What counts is NDCG@10 of unheard songs. The
first trial is what nightly trainings use now. A repeat goes on where it was, also after a crash.
A better winner is proposed: `train_als --tuned` trains a generation with it, and only when that
has passed the gate do nightly trainings use it. Writes `tuning/<study>/report.html` and .json.
"""

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, get_args

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
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
from jobs.training.trial import neighbour_pairs, try_recipe
from jobs.training.weights import Weighting

SEARCHED = ("rank", "reg", "alpha", "weighting", "half_life")
RANKS = [32, 48, 64, 96, 128]
HALF_LIVES = [0.0, 7.0, 14.0, 30.0, 60.0]
TRIALS = 20
Figures = dict[str, float]

timed = partial(phase, "tune_als")


def study_of(settings: Settings, as_of: date, version: int, seed: int) -> optuna.Study:
    """Return the study of this window, new or as it was left; what was under way is given up."""
    folder = Path(settings.tuning_dir)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{as_of:%Y%m%d}_{settings.window_days}d_v{version}_s{seed}"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / f"{name}.log"))),
        study_name=name,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=8),
        load_if_exists=True,
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def search(
    study: optuna.Study, default: Recipe, trials: int, measure: Callable[[Recipe], Figures]
) -> None:
    """Run trials until the study has so many complete ones; the first one is the default."""
    if not study.trials:
        study.enqueue_trial({name: getattr(default, name) for name in SEARCHED})

    def objective(trial: Trial) -> float:
        figures = measure(proposed(trial, default))
        for name, value in figures.items():
            trial.set_user_attr(name, value)
        return figures["unheard ndcg_10"]

    while (done := len(complete(study))) < trials:
        study.optimize(objective, n_trials=1)
        best = study.best_trial
        print(f"tune_als: {done + 1} of {trials} trials, best {best.value:.4f} {best.params}")


def proposed(trial: Trial, default: Recipe) -> Recipe:
    """Return the recipe that a trial is about."""
    ranks = sorted({*RANKS, default.rank})
    half_lives = sorted({*HALF_LIVES, default.half_life})
    return Recipe(
        rank=trial.suggest_categorical("rank", ranks),
        reg=trial.suggest_float("reg", 0.1, 20.0, log=True),
        alpha=trial.suggest_float("alpha", 1.0, 400.0, log=True),
        iterations=default.iterations,
        weighting=trial.suggest_categorical("weighting", get_args(Weighting)),
        seed=default.seed,
        half_life=trial.suggest_categorical("half_life", half_lives),
    )


def complete(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that ended well, in order."""
    return study.get_trials(states=(TrialState.COMPLETE,))


def tune(settings: Settings, as_of: date, trials: int, seed: int) -> dict[str, Any]:
    """Search, write the report, propose the winner where it is better; return the report."""
    with closing(TunedParams(settings)) as tuned:
        found = tuned.default()
    default = Recipe.of(Recipe.of(settings).params() | (found["params"] if found else {}))
    spark = spark_session(settings, "tune_als")
    try:
        version = lake.table_version(spark, lake.url(settings, names.RAW_LOGS))
        study = study_of(settings, as_of, version, seed)
        search(study, default, trials, _measure(spark, settings, as_of, version))
    finally:
        spark.stop()
    report = summary(study, as_of)
    objects, folder = Objects(settings), f"{names.TUNING}/{study.study_name}"
    for key, body, kind in (
        ("report.json", json.dumps(report, indent=1), "application/json"),
        ("report.html", tuning_html(report), "text/html; charset=utf-8"),
    ):
        objects.put(settings.lake_bucket, f"{folder}/{key}", body.encode(), kind)
    if report["best"]["score"] > report["default"]["score"]:
        best = report["best"]
        with closing(TunedParams(settings)) as tuned:
            tuned.propose(
                study.study_name, best["params"], best["score"], report["default"]["score"]
            )
    return report


def _measure(
    spark: SparkSession, settings: Settings, as_of: date, version: int
) -> Callable[[Recipe], Figures]:
    start = window.window_start(as_of, settings.window_days)
    split = as_of - timedelta(days=settings.test_days)
    with timed("reading and asking"):
        logs = lake.read_logs(spark, settings, start, as_of, version)
        train = window.plays_between(logs, start, split).cache()
        exam = set_exam(train, window.plays_between(logs, split, as_of), {}, split, as_of)
        neighbours = neighbour_pairs(train)
    if assessment.judged(exam) < settings.gate_min_listeners:
        raise TooLittleData(
            f"{assessment.judged(exam)} listeners in [{start}, {as_of}) can be judged, "
            f"NOCTURNE_GATE_MIN_LISTENERS={settings.gate_min_listeners}: nothing to tune on"
        )

    def measure(recipe: Recipe) -> Figures:
        with timed("a trial"):
            found = try_recipe(exam, train, recipe, neighbours, settings.session_user_weight)
        return assessment.main_figures(exam, found)

    return measure


def summary(study: optuna.Study, as_of: date) -> dict[str, Any]:
    """Return the study for JSON: all complete trials, the default (the first) and the best."""
    rows: list[dict[str, Any]] = [
        {
            "trial": trial.number,
            "score": trial.value,
            "params": trial.params,
            "figures": trial.user_attrs,
            "seconds": trial.duration.total_seconds() if trial.duration else None,
        }
        for trial in complete(study)
    ]
    best = max(rows, key=lambda row: row["score"])
    return {
        "study": study.study_name,
        "as_of": as_of.isoformat(),
        "trials": rows,
        "default": rows[0],
        "best": best,
    }


def lines(report: dict[str, Any]) -> list[str]:
    """Return the trials as aligned lines, the best first."""
    head = f"{'trial':>6}{'NDCG@10':>9}{'R@20':>9}{'next':>9}  parameters"
    rows = sorted(report["trials"], key=lambda row: -row["score"])
    return [head] + [
        f"{row['trial']:6}{row['score']:9.4f}{row['figures']['unheard recall_20']:9.4f}"
        f"{row['figures']['next hr_20']:9.4f}  "
        + ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in _of(row))
        for row in rows
    ]


def _of(row: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, row["params"][name]) for name in SEARCHED]


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
    better = report["best"]["score"] > report["default"]["score"]
    print(
        f"tune_als: {report['study']}: "
        + ("the best is proposed: train_als --tuned" if better else "the default stays the best")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
