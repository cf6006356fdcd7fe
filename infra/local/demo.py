"""`make demo`: the whole path, from a listening log to recommendations over HTTP.

Without --log: a simulated world of listeners. With --log: your own log.
"""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from infra.local import show, stack, tastes
from infra.local.airflow_client import Airflow
from infra.local.config import HOST, Local, environment, load_local, stack_secrets
from infra.local.install import ROOT
from infra.local.memory import PeakMemory
from jobs.contract import names
from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.stores.objects import Objects

DAGS = {"etl_master_data", "train_als", "rebuild_index", "maintain_lake", "stream_supervisor"}
LIVE_SECONDS = 60
LIVE_RATE = {"http": 10, "kafka": 20}


@dataclass(frozen=True)
class Plan:
    """What this demo runs on: the log to import and the catalogue to load."""

    log: str
    reading: list[str]
    """How the log is read: arguments of import_logs.py."""
    catalogue: Path | None
    users: Path | None
    as_of: date
    world: Path | None
    """Folder of the simulated world; None with a log of one's own."""


class Demo:
    """Each step says what it does and how long it took."""

    def __init__(self, local: Local) -> None:
        self.local = local
        self._started = time.monotonic()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Print what begins, and how long it took."""
        began = time.monotonic()
        print(f"demo: [{began - self._started:4.0f} s] {what}", flush=True)
        yield
        print(f"demo: [{time.monotonic() - self._started:4.0f} s] {what}: done", flush=True)

    def job(self, script: str, *arguments: str) -> None:
        """Run one job with its output shown; raises NocturneError when it fails."""
        name = script.removesuffix(".py")
        command = [sys.executable, str(ROOT / "jobs" / script), *arguments]
        with subprocess.Popen(
            command, cwd=ROOT, env=environment(self.local), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(f"  {name}: {line.removeprefix(f'{name}: ')}", end="", flush=True)
        if process.returncode != 0:
            raise NocturneError(f"{script} failed with exit code {process.returncode}, see above")

    def together(self, *actions: Callable[[], None]) -> None:
        """Do several things at the same time; raise the first failure."""
        with ThreadPoolExecutor(len(actions)) as pool:
            for done in [pool.submit(action) for action in actions]:
                done.result()


def simulated(demo: Demo) -> Plan:
    """Make the simulated world, unless it is there, and plan the demo on it."""
    world = demo.local.state / "demo"
    demo.job("simulate_history.py", "--out", str(world))
    return Plan(
        log=str(world / "history.parquet"),
        reading=["--format", "nocturne"],
        catalogue=world / "songs.jsonl",
        users=world / "users.jsonl",
        as_of=datetime.now(UTC).date(),
        world=world,
    )


def land_catalogue(plan: Plan, settings: Settings) -> None:
    """Put the catalogue's files into `landing/`, as they are."""
    objects = Objects(settings)
    for path, folder in ((plan.catalogue, names.LANDING_SONGS), (plan.users, names.LANDING_USERS)):
        if path is not None:
            objects.upload(settings.lake_bucket, f"{folder}/{path.name}", path)


def send_live_events(demo: Demo, world: Path) -> None:
    """Send events of the simulated listeners, over HTTP and straight to Kafka, for a minute."""

    def send(to: str) -> None:
        demo.job(
            "simulate_live.py",
            *("--world", str(world), "--to", to, "--rate", str(LIVE_RATE[to])),
            *("--seconds", str(LIVE_SECONDS), "--url", f"http://{HOST}:{demo.local.app_port}"),
        )

    demo.together(lambda: send("http"), lambda: send("kafka"))


def train_and_publish(airflow: Airflow, plan: Plan) -> None:
    """Run the nightly training for this day and follow what its asset event starts.

    What another log was live before is no measure for this one, so the gate only reports.
    """
    asked = {"as_of": plan.as_of.isoformat()}
    if plan.world is None:
        asked["override"] = "the demo shows this log, whatever was live before"
    run = airflow.succeed("train_als", asked)
    for dag, caused in airflow.runs_caused_by("train_als", run):
        airflow.expect_success(dag, caused)


def load_catalogue(airflow: Airflow) -> None:
    """Run the ETL of the songs, and print what became of each file's rows."""
    run = airflow.succeed("etl_master_data")
    for line in airflow.said("etl_master_data", run, "songs"):
        if "rejected" in line and "rows in" not in line:
            print(f"  etl_master_data.songs: {line}", flush=True)


def run(demo: Demo, plan: Plan, settings: Settings, airflow: Airflow) -> None:
    """Take the log through the whole path."""
    with demo.step("catalogue into landing/"):
        land_catalogue(plan, settings)
    imports = [lambda: demo.job("import_logs.py", plan.log, *plan.reading)]
    if plan.catalogue is not None:
        imports.append(lambda: load_catalogue(airflow))
    if plan.world is not None:
        imports.append(lambda: demo.job("make_media.py", "--songs", str(plan.catalogue)))
    with demo.step("history into the lake, catalogue into MongoDB, covers and audio"):
        demo.together(*imports)
    if plan.world is not None:
        with demo.step("which songs have audio"):
            demo.job("mark_playable.py")
    if plan.catalogue is None:
        with demo.step("a catalogue of the log's own track ids"):
            show.catalogue_from_log(settings)
            load_catalogue(airflow)
    nightly = [lambda: train_and_publish(airflow, plan)]
    if plan.world is not None:
        world = plan.world
        nightly.append(lambda: send_live_events(demo, world))
    live = "" if plan.world is None else "; live events meanwhile"
    with demo.step(f"training, index, publication by Airflow{live}"):
        demo.together(*nightly)
    with demo.step("play counts from the lake"):
        airflow.succeed("maintain_lake")
    generation = show.live_generation(settings)
    show.evaluation(settings, generation)
    app = f"http://{HOST}:{demo.local.app_port}"
    show.recommendations(settings, app, plan.as_of)
    if plan.world is not None:
        tastes.report(settings, app, plan.world)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--log", help="a listening log of your own: path or URL")
    parser.add_argument("--format", help="its format, as import_logs.py --help lists them")
    parser.add_argument("--catalogue", type=Path, help="a file of songs; default: the log's ids")
    parser.add_argument("--options", default="", help="more arguments of import_logs.py")
    parser.add_argument("--as-of", type=date.fromisoformat, help="day that ends the window")
    given = parser.parse_args()
    if given.log and not (given.format and given.as_of):
        parser.error(
            "with LOG, FORMAT and AS_OF are needed: make demo LOG=... FORMAT=... AS_OF=..."
        )
    if not given.log and (given.format or given.catalogue or given.as_of):
        parser.error("FORMAT, CATALOGUE and AS_OF go with LOG=<path or URL>")
    if given.catalogue and not given.catalogue.is_file():
        parser.error(f"there is no catalogue {given.catalogue}")
    return given


def reading(given: argparse.Namespace) -> list[str]:
    """Return the arguments of import_logs.py that say how the log is read."""
    return ["--format", given.format, *shlex.split(given.options)]


def main() -> int:
    """Run the demo; 1 with a sentence on stderr where it fails."""
    given = arguments()
    try:
        local = load_local()
        memory = PeakMemory(local.state)
        demo = Demo(local)
        with memory:
            with demo.step("the local stack"):
                stack.up(local)
            # A stack that was running already may have been started with other ports.
            demo.local = local = stack.remembered(local)
            settings = load_settings()
            password = stack_secrets(local.state)["airflow_admin"]
            airflow = Airflow(f"http://{HOST}:{local.airflow_port}", "admin", password)
            airflow.wait_for_dags(DAGS)
            plan = (
                Plan(given.log, reading(given), given.catalogue, None, given.as_of, None)
                if given.log
                else simulated(demo)
            )
            run(demo, plan, settings, airflow)
        stack.print_addresses(local)
        print(f"demo: peak memory {memory.peak_gib:.1f} GiB; `make down` stops everything")
    except NocturneError as error:
        print(f"demo: ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
