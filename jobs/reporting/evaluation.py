"""The page of one evaluation: the verdict, the numbers with their noise, and two plots."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from jobs.reporting.figures import figure_svg
from jobs.reporting.html import render

HOME = {
    "recall_10": "Recall@10",
    "recall_20": "Recall@20",
    "ndcg_10": "NDCG@10",
    "mrr_20": "MRR@20",
}
MAKEUP = {
    "coverage": "Coverage@10",
    "popularity": "Popularity percentile",
    "artist_share": "Share of top artist",
}
NEXT = {"hr_10": "HR@10", "hr_20": "HR@20", "mrr_20": "MRR@20"}


def evaluation_html(report: Mapping[str, Any], gate: Mapping[str, Any] | None = None) -> str:
    """Return the page of a report as evaluate.py makes it, with the `gate`'s verdict if any."""
    unheard = {name: found["ndcg_10"] for name, found in report["home"]["unheard"].items()}
    following = {
        f"{strategy} ({model})": found["hr_20"]
        for model, strategies in report["next"].items()
        for strategy, found in strategies.items()
    }
    return render(
        "evaluation.html",
        report=report,
        gate=gate,
        home=HOME,
        makeup=MAKEUP,
        next=NEXT,
        plots=[
            _bars("NDCG@10 of unheard songs on the home page", unheard),
            _bars("HR@20 of the next song", following),
        ],
    )


def _bars(title: str, means: Mapping[str, Mapping[str, float]]) -> Markup:
    figure = Figure(figsize=(7, 0.6 + 0.35 * len(means)), layout="constrained")
    axes = figure.add_subplot()
    names = list(means)[::-1]
    values = [means[name]["mean"] for name in names]
    noise = [
        [max(0.0, means[name]["mean"] - means[name]["low"]) for name in names],
        [max(0.0, means[name]["high"] - means[name]["mean"]) for name in names],
    ]
    axes.barh(names, values, xerr=noise, color="#6d5bd0", ecolor="black", capsize=3)
    axes.set_title(title, loc="left")
    said = ", ".join(f"{name} {value:.4f}" for name, value in zip(names, values, strict=True))
    return figure_svg(figure, f"{title}: {said}")
