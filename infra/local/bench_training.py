"""`make bench-training`: MLlib, the exact engine and implicit fit the same pairs, in one session.

30Music (the 90 days before a day), HetRec, and simulated pairs in millions. Each engine fits each
data set once to warm up, which is reported apart, and then several times in turn, each time from
another seed; the table has the medians. Needs no running stack, but the data: see `--data`. What a
chain of warm nights does to quality is measured by bench_chain.
"""

import argparse
import json
import os
import sys
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import SparkSession

from infra.local.alone import configure_spark
from infra.local.bench_engines import Engine, Fit, engines
from infra.local.bench_pairs import Case, cases
from infra.local.bench_quality import HETREC, MUSIC, REPORTS
from infra.local.memory import PeakOfSpark
from infra.local.training_report import Measured, iteration_plot, report
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.session import spark_session
from jobs.training.als import Vectors, collect_factors
from jobs.training.exact import Limits

JVM_MEMORY = "6g"
"""MLlib needs some GiB for 10 M pairs; the local stack's jobs have 1."""


def measure(case: Case, rounds: int, limits: Limits) -> list[Measured]:
    """Return what each engine took for a data set; `rounds` come after one that warms up.

    `limits` say where the exact engine works as it is shipped.
    """
    weights = case.weights.cache()
    pairs = weights.count()
    entrants = engines(pairs, case.params.iterations, case.by_mllib, limits)
    fits: dict[str, list[Fit]] = defaultdict(list)
    gib = {engine.name: {"driver": 0.0, "jvm": 0.0, "workers": 0.0} for engine in entrants}
    quality: dict[str, list[dict[str, float]]] = defaultdict(list)
    for turn in range(rounds + 1):
        start: Vectors | None = None
        for engine in entrants:
            seed = case.params.seed + turn
            params = replace(case.params, iterations=engine.iterations, seed=seed)
            _collect_garbage(weights.sparkSession)
            with PeakOfSpark() as peak:
                fit, factors = engine.fit(weights, params, start)
            fits[engine.name].append(fit)
            found = gib[engine.name]
            gib[engine.name] = {part: max(found[part], peak.peak_gib[part]) for part in found}
            said = f"{fit.whole:.2f} s, {fit.iteration:.3f} s per iteration"
            print(f"  {case.name}, {engine.name}, round {turn}: {said}", flush=True)
            if factors and engine.gives_start:
                start = collect_factors(factors.items)
            if factors and turn and engine.judged and case.judge:
                quality[engine.name].append(case.judge(factors))
    weights.unpersist()

    def measured(engine: Engine) -> Measured:
        cold, *warm = fits[engine.name]
        return Measured(
            data=case.name,
            simulated=case.simulated,
            pairs=pairs,
            rank=case.params.rank,
            engine=engine.name,
            iterations=engine.iterations,
            cold=cold,
            fits=warm,
            gib=gib[engine.name],
            quality=quality[engine.name],
        )

    return [measured(engine) for engine in entrants]


def _collect_garbage(spark: SparkSession) -> None:
    """Let no engine clean up, or be measured with, what the one before it has left in the JVM."""
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    jvm.System.gc()


def run(data: Path, millions: list[int], rounds: int, settings: Settings) -> None:
    """Measure everything and print the report; what is measured is kept as it comes."""
    if not millions and not any((data / name).is_file() for name in (MUSIC, HETREC)):
        raise BadInput(f"there is neither {MUSIC} nor {HETREC} in {data}, and no PAIRS are asked")
    configure_spark()
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"--driver-memory {JVM_MEMORY} pyspark-shell"
    spark = spark_session(settings, "bench-training")
    limits = Limits(settings.exact_driver_pairs, settings.exact_broadcast_mib)
    found: list[Measured] = []
    with TemporaryDirectory() as folder:
        try:
            for case in cases(spark, settings, data, millions, Path(folder)):
                print(f"bench-training: {case.name}", flush=True)
                found += measure(case, rounds, limits)
                write(found, report(found, limits.driver_pairs))
        finally:
            spark.stop()
    print(report(found, limits.driver_pairs), end="")


def write(found: list[Measured], text: str) -> None:
    """Write what is measured so far, and its report, to `reports/`."""
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "training.md").write_text(f"{text}\n![Seconds per iteration](training.svg)\n")
    (REPORTS / "training.svg").write_text(iteration_plot(found))
    rows = [asdict(row) for row in found]
    (REPORTS / "training.json").write_text(json.dumps(rows, indent=1) + "\n")


def main() -> int:
    """Run the bench; 1 where there is nothing to measure."""
    parser = argparse.ArgumentParser(prog="make bench-training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of both data sets")
    parser.add_argument("--pairs", type=int, nargs="*", default=[], help="simulated, in millions")
    parser.add_argument("--rounds", type=int, default=3, help="fits after the one that warms up")
    args = parser.parse_args()
    try:
        run(args.data, args.pairs, max(1, args.rounds), load_settings())
    except NocturneError as error:
        print(f"bench-training: ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
