"""A search for better parameters: what is tried, and what came of it. One study holds it all."""

from collections.abc import Callable
from datetime import date
from typing import Any, get_args

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from jobs.training.recipe import Recipe
from jobs.training.weights import Weighting

SEARCHED = ("rank", "reg", "alpha", "weighting", "half_life")
RANKS = [32, 48, 64, 96, 128]
HALF_LIVES = [0.0, 7.0, 14.0, 30.0, 60.0]
Figures = dict[str, float]


def search(
    study: optuna.Study, default: Recipe, trials: int, measure: Callable[[Recipe], Figures]
) -> None:
    """Run trials until the study has so many complete ones, the default among them.

    What was under way when an earlier search died has failed, and is tried again.
    """
    first = [] if default_trial(study, default) else [searched(default)]
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params not in first:
            first.append(trial.params)
    for params in first:
        study.enqueue_trial(params)

    def objective(trial: Trial) -> float:
        figures = measure(proposed(trial, default))
        for name, value in figures.items():
            trial.set_user_attr(name, value)
        return figures["unheard ndcg_10"]

    waiting = (TrialState.WAITING,)
    while len(complete(study)) < trials or study.get_trials(states=waiting):
        study.optimize(objective, n_trials=1)
        best, done = study.best_trial, len(complete(study))
        print(f"tune_als: {done} trials, best {best.value:.4f} {best.params}", flush=True)


def proposed(trial: Trial, default: Recipe) -> Recipe:
    """Return the recipe that a trial is about."""
    among = choices(default)
    return Recipe(
        rank=trial.suggest_categorical("rank", among["rank"]),
        reg=trial.suggest_float("reg", 0.1, 20.0, log=True),
        alpha=trial.suggest_float("alpha", 1.0, 400.0, log=True),
        iterations=default.iterations,
        weighting=trial.suggest_categorical("weighting", among["weighting"]),
        seed=default.seed,
        half_life=trial.suggest_categorical("half_life", among["half_life"]),
    )


def choices(default: Recipe) -> dict[str, list[Any]]:
    """Return what is chosen from a list, the default's values among it; fixed with the study."""
    return {
        "rank": sorted({*RANKS, default.rank}),
        "weighting": list(get_args(Weighting)),
        "half_life": sorted({*HALF_LIVES, default.half_life}),
    }


def searched(recipe: Recipe) -> dict[str, Any]:
    """Return the parameters of a recipe that a trial chooses."""
    return {name: getattr(recipe, name) for name in SEARCHED}


def complete(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that ended well, in order."""
    return study.get_trials(states=(TrialState.COMPLETE,))


def default_trial(study: optuna.Study, default: Recipe) -> FrozenTrial | None:
    """Return the complete trial of what nightly trainings use now, if there is one yet."""
    mine = searched(default)
    return next((trial for trial in complete(study) if trial.params == mine), None)


def summary(study: optuna.Study, default: Recipe, as_of: date) -> dict[str, Any]:
    """Return the study for JSON: all complete trials, that of the default, and the best.

    Of equal scores the better next song decides, then the default.
    """
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
    used = next(row for row in rows if row["params"] == searched(default))
    best = max(rows, key=lambda row: (*_worth(row), row is used))
    return {
        "study": study.study_name,
        "as_of": as_of.isoformat(),
        "trials": rows,
        "default": used,
        "best": best,
        "better": best is not used,
    }


def lines(report: dict[str, Any]) -> list[str]:
    """Return the trials as aligned lines, the best first."""
    head = f"{'trial':>6}{'NDCG@10':>9}{'R@20':>9}{'next':>9}  parameters"
    rows = sorted(report["trials"], key=_worth, reverse=True)
    return [head] + [
        f"{row['trial']:6}{row['score']:9.4f}{row['figures']['unheard recall_20']:9.4f}"
        f"{row['figures']['next hr_20']:9.4f}  "
        + ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in _of(row))
        for row in rows
    ]


def _worth(row: dict[str, Any]) -> tuple[float, float]:
    return row["score"], row["figures"]["next hr_20"]


def _of(row: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, row["params"][name]) for name in SEARCHED]
