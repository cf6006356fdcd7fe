"""An evaluation as numbers: every model's metrics, and one model against another.

The main metrics are asked of listeners who knew at least 5 songs before the split; the slices
say how the same lists serve those who are few or special.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.contract import names
from jobs.training import baselines
from jobs.training.contestant import Answers, both_views
from jobs.training.exam import Exam
from jobs.training.metrics import Doubles, Ints, makeup, mean_of, per_listener, per_move
from jobs.training.ranking import ranks_of

MIN_SONGS = 5
"""Who knew fewer songs before the split says too little about a model of their taste."""
NEW_LISTENER_PLAYS = 5
HEAVY_SHARE = 0.1
HEAD_SHARE = 0.2
NEW_SONG_DAYS = 30
DEFAULT_STRATEGY = "session_hybrid"
MAIN_HOME = ("ndcg_10", "recall_20")
MAIN_NEXT = "hr_20"
SLICE_METRIC = "recall_20"
ERROR_RATE = 0.05
"""Chance, over all comparisons of two models together, that mere noise looks like a loss."""

Mask = NDArray[np.bool_]
Slices = dict[str, tuple[Mask, Mask | None]]


def baseline_answers(exam: Exam, window_days: int) -> dict[str, Answers]:
    """Let the baselines sit the exam; popularity answers what comes next, too."""
    rows, moves, plays = len(exam.listeners), exam.moves, exam.songs.plays
    answers = {}
    for name, fresh in ((names.popularity(window_days), False), (names.popularity(7), True)):
        of_moves = baselines.popularity(exam, fresh, len(moves.next))
        answers[name] = Answers(
            both_views(exam, baselines.popularity(exam, fresh, rows)),
            {"popularity": ranks_of(of_moves, moves.next, moves.current, plays)},
        )
    answers["own songs"] = Answers(both_views(exam, baselines.own_songs(exam)), {})
    answers["item-kNN"] = Answers(both_views(exam, baselines.item_knn(exam)), {})
    return answers


def slices(exam: Exam) -> Slices:
    """Return by name who is asked, and which relevant songs count (None: all)."""
    songs = exam.songs
    plays = np.asarray(exam.heard.sum(1)).ravel()
    main = _main(exam)
    heavy = plays >= np.quantile(plays[main], 1 - HEAVY_SHARE) if main.any() else main
    tail = songs.plays.argsort().argsort() < len(songs.plays) * (1 - HEAD_SHARE)
    return {
        f"new listeners (< {NEW_LISTENER_PLAYS} plays)": (plays < NEW_LISTENER_PLAYS, None),
        f"heavy listeners (top {HEAVY_SHARE:.0%} by plays)": (main & heavy, None),
        f"long-tail songs (beyond the top {HEAD_SHARE:.0%})": (main, tail),
        f"songs under {NEW_SONG_DAYS} days old": (main, songs.age < NEW_SONG_DAYS),
    }


def _main(exam: Exam) -> Mask:
    return np.asarray(np.diff(exam.heard.indptr) >= MIN_SONGS)


def judged(exam: Exam) -> int:
    """Return how many listeners the main metrics are asked of."""
    return int(_main(exam).sum())


def main_figures(exam: Exam, found: Answers) -> dict[str, float]:
    """Return the means that decide: unheard NDCG@10 and Recall@20, and HR@20 of the next song."""
    values = _home_values(exam, found, "unheard")
    main = _main(exam)
    ranks = found.next[DEFAULT_STRATEGY]
    return {f"unheard {name}": float(np.nanmean(values[name][main])) for name in MAIN_HOME} | {
        f"next {MAIN_NEXT}": float(per_move(ranks)[MAIN_NEXT].mean()) if len(ranks) else 0.0
    }


def report(exam: Exam, answers: dict[str, Answers], seed: int) -> dict[str, Any]:
    """Return all metrics of all models with their 95 % intervals, ready for JSON."""
    main = np.flatnonzero(_main(exam))
    home = {
        view: {
            name: _means(_home_values(exam, found, view), main, seed)
            | makeup(found.home[view][main], exam.songs.plays.astype(np.float64), exam.songs.artist)
            for name, found in answers.items()
        }
        for view in ("unheard", "all")
    }
    sliced = {
        name: {
            model: _means(_home_values(exam, found, "unheard", counted), np.flatnonzero(who), seed)
            for model, found in answers.items()
        }
        for name, (who, counted) in slices(exam).items()
    }
    following = {
        model: {
            strategy: {
                metric: asdict(mean_of(values, exam.moves.listener, seed))
                for metric, values in per_move(ranks).items()
            }
            for strategy, ranks in found.next.items()
        }
        for model, found in answers.items()
        if found.next
    }
    return {
        "split": exam.split.isoformat(),
        "end": exam.end.isoformat(),
        "listeners": len(exam.listeners),
        "judged": len(main),
        "songs": len(exam.songs.ids),
        "moves": len(exam.moves.next),
        "home": home,
        "slices": sliced,
        "next": following,
    }


def _home_values(
    exam: Exam, found: Answers, view: str, counted: Mask | None = None
) -> dict[str, Doubles]:
    return per_listener(found.home[view], relevant(exam, view, counted))


def relevant(exam: Exam, view: str, counted: Mask | None = None) -> list[Ints]:
    """Return what each listener should find in a view; `counted` keeps some songs only."""
    wanted = exam.relevant
    if view == "unheard":
        pairs = zip(wanted, exam.heard_songs(), strict=True)
        wanted = [np.setdiff1d(songs, heard) for songs, heard in pairs]
    if counted is None:
        return wanted
    return [songs[(songs < len(counted)) & counted[songs % len(counted)]] for songs in wanted]


def _means(values: dict[str, Doubles], rows: Ints, seed: int) -> dict[str, Any]:
    return {name: asdict(mean_of(found[rows], rows, seed)) for name, found in values.items()}


def compare(exam: Exam, one: Answers, other: Answers, seed: int) -> list[dict[str, Any]]:
    """Return the differences of two models on the main metrics and on each slice.

    Each has metric, slice, both means and the interval of their paired difference (one - other)
    by listener. The intervals are widened for their number (Bonferroni), so that all of them
    together are wrong in 5 % of evaluations.
    """
    asked: list[tuple[str, str, Doubles, Doubles, Ints]] = []
    groups: Slices = {"everyone": (_main(exam), None)} | slices(exam)
    wanted = [("everyone", metric) for metric in MAIN_HOME]
    wanted += [(name, SLICE_METRIC) for name in slices(exam)]
    for name, metric in wanted:
        who, counted = groups[name]
        mine, theirs = (_home_values(exam, a, "unheard", counted)[metric] for a in (one, other))
        rows = np.flatnonzero(who & np.isfinite(mine))
        asked.append((f"home unheard {metric}", name, mine[rows], theirs[rows], rows))
    if DEFAULT_STRATEGY in one.next and DEFAULT_STRATEGY in other.next:
        mine, theirs = (per_move(a.next[DEFAULT_STRATEGY])[MAIN_NEXT] for a in (one, other))
        asked.append((f"next {MAIN_NEXT}", "everyone", mine, theirs, exam.moves.listener))
    level = 1 - ERROR_RATE / len(asked)
    return [
        {
            "metric": metric,
            "slice": name,
            "candidate": float(mine.mean()) if len(mine) else 0.0,
            "other": float(theirs.mean()) if len(theirs) else 0.0,
            **_interval(mine - theirs, owners, seed, level),
        }
        for metric, name, mine, theirs, owners in asked
    ]


def _interval(values: Doubles, owners: Ints, seed: int, level: float) -> dict[str, float | int]:
    found = mean_of(values, owners, seed, level)
    return {"low": found.low, "high": found.high, "listeners": found.listeners}
