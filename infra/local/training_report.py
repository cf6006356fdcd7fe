"""What `make bench-training` measured, as Markdown and as a plot."""

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import mean, median

from matplotlib.figure import Figure

from infra.local.bench_engines import WARM, Fit
from jobs.reporting.figures import figure_svg

COLOURS = {
    "mllib": "#d1495b",
    "exact, driver": "#6d5bd0",
    "exact, executors": "#2e86ab",
    WARM: "#9a8c98",
    "implicit": "#3a7d44",
}


@dataclass(frozen=True)
class Measured:
    """One engine on one data set. `cold` is its first fit there, `fits` are those after it.

    `gib` is the peak memory of the driver's Python, the JVM and the Python workers; `quality` the
    main figures of each of the `fits`, where its models were judged.
    """

    data: str
    simulated: bool
    pairs: int
    rank: int
    engine: str
    iterations: int
    cold: Fit
    fits: list[Fit]
    gib: dict[str, float]
    quality: list[dict[str, float]]

    @property
    def typical(self) -> Fit:
        """The medians of the fits that were warm."""
        setups = [fit.setup for fit in self.fits if fit.setup is not None]
        return Fit(
            median(fit.whole for fit in self.fits),
            median(setups) if setups else None,
            median(fit.iteration for fit in self.fits),
        )


def report(found: list[Measured], driver_pairs: int) -> str:
    """Return everything as Markdown; `exact` is shipped with `driver_pairs`."""
    parts = [notes(found, driver_pairs), costs(found)]
    if any(row.quality for row in found):
        parts.append(qualities(found))
    if len({row.pairs for row in found if row.simulated}) > 1:
        parts.append(growth(found))
    return "\n\n".join(parts) + "\n"


def notes(found: list[Measured], driver_pairs: int) -> str:
    """Return what one must know to read the tables."""
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    rounds = len(found[0].fits)
    lines = [
        f"{os.cpu_count()} cores, load of the last 1, 5 and 15 minutes {load}. One session, the "
        f"engines in turn; medians of {rounds} fits, each from another seed. Cold: an engine's "
        "first fit of this data.",
        "mllib does not say what an iteration takes: it is the whole fit by its number, so that "
        "its blocking is in it, while set-up is not in the iterations of the others. Whole fits "
        "are compared only where mllib has done every iteration that a whole fit has there.",
        f"exact, as it is shipped, works in the driver up to {driver_pairs:,} pairs, on the "
        "executors above. Warm: it starts from the songs' vectors of a whole fit of the same "
        "pairs, which is not in its time.",
        "Memory: the peak of what is resident, of the driver's Python, of the JVM, of the Python "
        "workers together. The JVM collects its garbage before each fit, but keeps some of the "
        "heap that an engine before let it take.",
        "implicit has another objective (`reg` does not grow with a row) and another solver "
        "(conjugate gradients): a cost to compare with, not a model. Its set-up is to bring the "
        "pairs into the driver."
        if find_spec("implicit")
        else "implicit was left out: the package is not installed (`make setup` does).",
    ]
    unfit = sorted({row.data for row in found} - {r.data for r in found if r.engine == "mllib"})
    if unfit:
        lines.append(f"mllib did not fit {', '.join(unfit)}: it would take too long.")
    return "\n\n".join(lines)


def costs(found: list[Measured]) -> str:
    """Return seconds and memory of each engine on each data set."""
    heads = ["data", "pairs", "rank", "engine", "iterations", "cold fit s", "fit s", "x mllib"]
    heads += ["set-up s", "s per iteration", "x mllib", "driver GiB", "JVM GiB", "workers GiB"]
    rows = []
    for row in found:
        fit = row.typical
        base = next((r for r in found if r.data == row.data and r.engine == "mllib"), None)
        whole = max(r.iterations for r in found if r.data == row.data)
        base_whole = base.typical.whole if base and base.iterations == whole else None
        rows.append(
            [
                *(row.data, f"{row.pairs:,}", str(row.rank), row.engine, str(row.iterations)),
                *(f"{row.cold.whole:.1f}", f"{fit.whole:.2f}"),
                _times(base_whole, fit.whole),
                "-" if fit.setup is None else f"{fit.setup:.2f}",
                f"{fit.iteration:.3f}",
                _times(base.typical.iteration if base else None, fit.iteration),
                *(f"{row.gib[part]:.2f}" for part in ("driver", "jvm", "workers")),
            ]
        )
    return markdown(heads, rows)


def _times(base: float | None, own: float) -> str:
    return "-" if base is None else f"{base / own:.1f}"


def qualities(found: list[Measured]) -> str:
    """Return what held-out plays say, with the lowest and the highest of the seeds."""
    judged = [row for row in found if row.quality]
    names = list(judged[0].quality[0])
    rows = []
    for row in judged:
        values = [[one[name] for one in row.quality] for name in names]
        spread = [f"{mean(v):.4f} ({min(v):.4f} to {max(v):.4f})" for v in values]
        rows.append([row.data, row.engine, str(len(row.quality)), *spread])
    return markdown(["data", "engine", "seeds", *names], rows)


def growth(found: list[Measured]) -> str:
    """Return e of `seconds ~ pairs ** e`, from the fewest to the most simulated pairs.

    Of engines that work in one place whatever the size, which `exact, warm` does not.
    """
    rows = []
    for engine in dict.fromkeys(row.engine for row in found if row.engine != WARM):
        own = sorted(
            (row for row in found if row.simulated and row.engine == engine), key=lambda r: r.pairs
        )
        if len(own) > 1:
            span = f"{own[0].pairs:,} to {own[-1].pairs:,}"
            iteration = _exponent(own, lambda fit: fit.iteration)
            rows.append([engine, span, iteration, _exponent(own, lambda fit: fit.setup)])
    return markdown(["engine", "pairs", "growth of an iteration", "growth of set-up"], rows)


def _exponent(own: list[Measured], seconds: Callable[[Fit], float | None]) -> str:
    small, large = seconds(own[0].typical), seconds(own[-1].typical)
    if not small or not large:
        return "-"
    return f"{math.log(large / small) / math.log(own[-1].pairs / own[0].pairs):.2f}"


def markdown(heads: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def iteration_plot(found: list[Measured]) -> str:
    """Return seconds per iteration against pairs as an SVG: simulated in lines, real as crosses."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for engine, colour in COLOURS.items():
        own = sorted((row for row in found if row.engine == engine), key=lambda row: row.pairs)
        for simulated, style in ((True, "o-"), (False, "x")):
            at = [(r.pairs, r.typical.iteration) for r in own if r.simulated == simulated]
            if at:
                label = f"{engine}, {'simulated' if simulated else 'real'}"
                axes.plot(*zip(*at, strict=True), style, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("pairs")
    axes.set_title("Seconds per iteration", loc="left")
    axes.legend(fontsize="small")
    return str(figure_svg(figure, "Seconds per iteration against pairs, by engine"))
