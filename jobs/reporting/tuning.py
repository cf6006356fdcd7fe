"""The page of one tuning: every trial, and what each parameter did to the score."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from jobs.reporting.figures import figure_svg
from jobs.reporting.html import render

LOGARITHMIC = ("reg", "alpha")


def tuning_html(report: Mapping[str, Any]) -> str:
    """Return the page of a report as tune_als.py makes it."""
    rows = sorted(report["trials"], key=lambda row: -row["score"])
    names = list(rows[0]["params"])
    plots = [_progress(report["trials"]), _parameters(report["trials"], names)]
    return render("tuning.html", report=report, rows=rows, names=names, plots=plots)


def _progress(trials: list[Mapping[str, Any]]) -> Markup:
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.add_subplot()
    scores = [trial["score"] for trial in trials]
    best = [max(scores[: n + 1]) for n in range(len(scores))]
    axes.plot(scores, "o", color="#6d5bd0", label="a trial")
    axes.step(range(len(best)), best, where="post", color="black", label="the best so far")
    axes.set_xlabel("trial")
    axes.set_title("NDCG@10 of unheard songs", loc="left")
    axes.legend()
    return figure_svg(figure, f"The best score rose from {scores[0]:.4f} to {best[-1]:.4f}")


def _parameters(trials: list[Mapping[str, Any]], names: list[str]) -> Markup:
    figure = Figure(figsize=(7, 2.2 * ((len(names) + 1) // 2)), layout="constrained")
    grid = figure.subplots((len(names) + 1) // 2, 2, squeeze=False).ravel()
    scores = [trial["score"] for trial in trials]
    for axes, name in zip(grid, names, strict=False):
        values = [trial["params"][name] for trial in trials]
        axes.plot(
            [str(v) if isinstance(v, str) else v for v in values], scores, "o", color="#6d5bd0"
        )
        if name in LOGARITHMIC:
            axes.set_xscale("log")
        axes.set_title(name, loc="left")
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    return figure_svg(figure, "The score of each trial by each of its parameters")
