"""`make bench-nightly`: what a whole night takes, by step, and how that grows with the events.

On the running stack, with a bucket and a database of its own: a log is imported, then trained,
measured, let through, indexed and published by the jobs that the DAGs run, one after the other.
Simulated logs, one of them ten times as long, give the growth; --data adds 30Music. Memory is the
peak of the job itself, its JVM and workers included, without the stack's servers.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from infra.local import show, stack
from infra.local.bench_quality import MUSIC
from infra.local.config import administrator, environment, load_local
from infra.local.install import ROOT
from infra.local.memory import PeakMemory
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.generations import new_generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.stores.documents import database
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest
from jobs.stores.objects import Objects
from jobs.stores.vectors import Vectors

OWN = "bench-nightly"
REPORTS = ROOT / "reports"
LISTENERS, SONGS = 600, 2_400
TIMES = 10
STEPS = ("train", "evaluate", "gate", "index", "publish")


@dataclass(frozen=True)
class Log:
    """A log to spend the night with; `simulate` are the arguments that make it, if any."""

    name: str
    path: Path
    reading: tuple[str, ...]
    as_of: date
    simulate: tuple[str, ...] = ()


@dataclass(frozen=True)
class Night:
    """Seconds and peak GiB of each step, and how many plays and pairs were trained on."""

    name: str
    plays: int
    pairs: int
    seconds: Mapping[str, float]
    gib: Mapping[str, float]


def logs(folder: Path, data: Path | None) -> list[Log]:
    """Return what is to be measured, the real log first."""
    today = datetime.now(UTC).date()
    found = []
    if data:
        path = data / MUSIC
        if not path.is_file():
            raise BadInput(f"there is no {path}: give DATA=<folder>")
        found.append(Log("30Music", path, ("--format", "30music"), date(2015, 1, 5)))
    for name, times in (("simulated", 1), (f"simulated x{TIMES}", TIMES)):
        world = folder / f"world-{times}"
        size = ("--listeners", str(LISTENERS * times), "--songs", str(SONGS))
        path = world / "history.parquet"
        found.append(Log(name, path, ("--format", "nocturne"), today, (*size, "--out", str(world))))
    return found


def job(own: Mapping[str, str], name: str, *arguments: str) -> tuple[float, float]:
    """Run one job that must end well; return its seconds and its peak memory in GiB."""
    command = [sys.executable, str(ROOT / f"jobs/{name}.py"), *arguments]
    began = time.monotonic()
    with PeakMemory() as memory:
        done = subprocess.run(
            command, env=os.environ | own, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise NocturneError(f"{name} failed: {done.stderr[-1000:]}")
    return time.monotonic() - began, memory.peak_gib


def spend(log: Log, settings: Settings, own: Mapping[str, str]) -> Night:
    """Import a log and spend the night with it."""
    clean(settings)
    if log.simulate:
        job(own, "simulate_history", *log.simulate)
    imported, _ = job(own, "import_logs", str(log.path), *log.reading)
    print(f"  {log.name}: imported in {imported:.0f} s", flush=True)
    show.catalogue_from_log(settings)
    generation = new_generation_id(log.as_of)
    chosen = f"--generation={generation}"
    steps = {
        "train": ("train_als", f"--as-of={log.as_of}", chosen),
        "evaluate": ("evaluate", chosen),
        "gate": ("gate", chosen, "--override=measured for its time"),
        "index": ("build_index", generation),
        "publish": ("publish", generation),
    }
    measured = {}
    for step, command in steps.items():
        measured[step] = job(own, *command)
        print(f"  {log.name}: {step} {measured[step][0]:.0f} s", flush=True)
    manifest = read_manifest(settings, generation)
    seconds = {step: found[0] for step, found in measured.items()}
    gib = {step: found[1] for step, found in measured.items()}
    return Night(log.name, manifest.plays, manifest.pairs, seconds, gib)


def clean(settings: Settings) -> None:
    """Remove everything that the bench has to itself."""
    objects = Objects(settings)
    objects.ensure_bucket(settings.lake_bucket)
    objects.delete_below(settings.lake_bucket, "")
    with (
        closing(Generations(settings)) as generations,
        closing(Generations(load_settings())) as others,
        closing(Vectors(settings)) as vectors,
    ):
        live = others.live().generation
        own = {str(found["_id"]) for found in generations.all()} & set(vectors.generations())
        if own and live:
            vectors.point_alias(live)  # a collection under the alias cannot be dropped
        for generation in sorted(own):
            vectors.drop(generation)
    db = database(settings, 30_000)
    with closing(db.client) as client:
        client.drop_database(settings.mongo_db)


def exponent(small: Night, large: Night, step: str) -> float:
    """Return e of `seconds ~ plays ** e` between two nights."""
    ratio = large.seconds[step] / small.seconds[step]
    return math.log(ratio) / math.log(large.plays / small.plays)


def table(nights: list[Night]) -> str:
    """Return the nights as a Markdown table, with the growth from the last but one to the last."""
    heads = "".join(f" {night.name} ({night.plays:,} plays) |" for night in nights)
    small, large = nights[-2:]
    rows = [f"| step |{heads} exponent |", "|---|" + "---|" * (len(nights) + 1)]
    for step in STEPS:
        cells = "".join(f" {n.seconds[step]:.0f} s, {n.gib[step]:.1f} GiB |" for n in nights)
        rows.append(f"| {step} |{cells} {exponent(small, large, step):.2f} |")
    whole = "".join(
        f" {sum(n.seconds.values()):.0f} s, {max(n.gib.values()):.1f} GiB |" for n in nights
    )
    ratio = sum(large.seconds.values()) / sum(small.seconds.values())
    growth = math.log(ratio) / math.log(large.plays / small.plays)
    return "\n".join([*rows, f"| the night |{whole} {growth:.2f} |"]) + "\n"


def main() -> int:
    """Run the bench; 1 where something failed."""
    parser = argparse.ArgumentParser(prog="make bench-nightly", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that holds 30music/")
    args = parser.parse_args()
    try:
        local = stack.remembered(load_local())
        stack.require_running(local)
        # Its bucket is its own, where no other key leads.
        os.environ.update(environment(local) | administrator(local.state))
        wanted = {"NOCTURNE_LAKE_BUCKET": OWN, "NOCTURNE_MONGO_DB": OWN}
        own = load_settings(lake_bucket=OWN, mongo_db=OWN, serving_url="")
        try:
            folder = local.state / OWN
            nights = []
            for log in logs(folder, args.data):
                print(f"bench-nightly: {log.name}", flush=True)
                nights.append(spend(log, own, wanted | {"NOCTURNE_SERVING_URL": ""}))
        finally:
            clean(own)
    except NocturneError as error:
        print(f"bench-nightly: ERROR: {error}", file=sys.stderr)
        return 1
    print(table(nights), end="")
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "nightly.md").write_text(f"{os.cpu_count()} cores\n\n{table(nights)}")
    rows = [vars(night) for night in nights]
    (REPORTS / "nightly.json").write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
