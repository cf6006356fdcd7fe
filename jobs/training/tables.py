"""An evaluation's report as lines of text."""

from collections.abc import Iterator, Mapping
from typing import Any

HOME = ("recall_10", "recall_20", "ndcg_10", "mrr_20")
NEXT = ("hr_10", "hr_20", "mrr_20")


def lines(report: Mapping[str, Any]) -> list[str]:
    """Return the report as aligned lines; its notes and what nobody could be asked come first."""
    return [
        *(f"note: {note}" for note in report.get("notes", [])),
        f"{report['judged']} listeners with at least 5 songs before {report['split']} and "
        f"{report['moves']} moves between songs, in the days until {report['end']}",
        *_home(report),
        *_slices(report),
        *_next(report),
    ]


def _home(report: Mapping[str, Any]) -> Iterator[str]:
    heads = ("recall@10", "recall@20", "NDCG@10", "MRR@20", "coverage", "popularity", "artist")
    yield _row("home", "model", heads)
    for view, models in report["home"].items():
        for name, found in models.items():
            artist = found["artist_share"]
            makeup = [found["coverage"], found["popularity"], "-" if artist is None else artist]
            yield _row(view, name, [*(found[m]["mean"] for m in HOME), *makeup])


def _slices(report: Mapping[str, Any]) -> Iterator[str]:
    yield _row("unheard, of", "model", ("recall@10", "recall@20", "NDCG@10", "MRR@20", "listeners"))
    for name, models in report["slices"].items():
        for model, found in models.items():
            listeners = found["recall_20"]["listeners"]
            yield _row(name, model, [*(found[m]["mean"] for m in HOME), listeners])


def _next(report: Mapping[str, Any]) -> Iterator[str]:
    yield _row("next song", "model", ("HR@10", "HR@20", "MRR@20"))
    for model, strategies in report["next"].items():
        for strategy, found in strategies.items():
            yield _row(strategy, model, [found[m]["mean"] for m in NEXT])


def _row(first: str, second: str, cells: Any) -> str:
    shown = [f"{c:.4f}" if isinstance(c, float) else str(c) for c in cells]
    return f"{first:38}{second:18}" + "".join(f"{cell:>11}" for cell in shown)
