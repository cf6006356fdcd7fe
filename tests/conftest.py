"""Fixtures that every test may use: Spark without stores, the real data, the whole stack.

The stack is started once per test run, on ports and in a folder of its own.
"""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pymongo.database import Database
from pyspark.sql import SparkSession

from infra.local.install import ROOT
from jobs.contract import names
from jobs.stores.documents import Document, database
from jobs.stores.generations import Generations
from jobs.stores.objects import Objects
from tests.ears import Webhook
from tests.integration.java import Java
from tests.integration.stack import SETTINGS, Stack, free_ports, make, stack_of

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
STATE = Path(os.environ.get("NOCTURNE_TEST_STATE", ROOT / ".nocturne-test"))
LAST = ("test_secrets.py", "test_real_log.py", "test_stack_end.py")
"""Secrets are looked for in what the others left; the real log replaces the live generation; the
end of the stack ends everything."""
WORLD = ("--days", "30", "--listeners", "150", "--songs", "300")
CLIP_SECONDS = "3"
FEW_COMPILERS = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
"""The optimising compiler costs more than tests of few rows get from it."""


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """A local Spark session for transforms; it reaches no store."""
    os.environ["PYSPARK_PYTHON"] = sys.executable  # its workers need the same packages
    session = (
        SparkSession.builder.master("local[2]")
        .appName("tests")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.extraJavaOptions", FEW_COMPILERS)
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets, which the project does not ship."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data sets are not here: {SHARED_DATA}")
    return SHARED_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what changes the stack for good after everything else."""
    items.sort(key=lambda item: LAST.index(item.path.name) + 1 if item.path.name in LAST else 0)


@pytest.fixture(scope="session")
def webhook() -> Iterator[Webhook]:
    """Who is told of the stack's alerts."""
    webhook = Webhook()
    yield webhook
    webhook.close()


@pytest.fixture(scope="session")
def stack(webhook: Webhook) -> Iterator[Stack]:
    """Every server of the stack, healthy and empty."""
    os.environ.update(SETTINGS | {"NOCTURNE_ALERT_WEBHOOK": webhook.url})
    with STATE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second test run waits instead of taking the folder
        local = free_ports(STATE)
        make("down", local)
        shutil.rmtree(STATE, ignore_errors=True)
        make("up", local)
        found = stack_of(local)
        with closing(Java(found.env, STATE / "logs/tests-java.log")) as java:
            yield replace(found, java=java)
        make("down", local)


@pytest.fixture(scope="session")
def generations(stack: Stack) -> Iterator[Generations]:
    """The generations of the stack."""
    with closing(Generations(stack.settings)) as found:
        yield found


@pytest.fixture(scope="session")
def db(stack: Stack) -> Iterator[Database[Document]]:
    """The stack's database."""
    found = database(stack.settings)
    yield found
    found.client.close()


@dataclass(frozen=True)
class Published:
    """A small simulated world that went the whole path: `runs` are the DAG runs it took."""

    world: Path
    generation: str
    runs: dict[str, str]


@pytest.fixture(scope="session")
def published(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Published:
    """History, catalogue, training, index and publication, the DAGs run by the scheduler."""
    world = tmp_path_factory.mktemp("world")
    stack.done("simulate_history", "--out", str(world), *WORLD)
    objects, bucket = Objects(stack.settings), stack.settings.lake_bucket
    objects.upload(bucket, f"{names.LANDING_SONGS}/songs.jsonl", world / "songs.jsonl")
    objects.upload(bucket, f"{names.LANDING_USERS}/users.jsonl", world / "users.jsonl")
    airflow = stack.airflow()
    airflow.wait_for_dags({"etl_master_data", "train_als", "rebuild_index", "maintain_lake"})
    songs, log = str(world / "songs.jsonl"), str(world / "history.parquet")
    with ThreadPoolExecutor(2) as pool:
        imported = pool.submit(stack.done, "import_logs", log, "--format", "nocturne")
        media = pool.submit(stack.done, "make_media", "--songs", songs, "--seconds", CLIP_SECONDS)
        runs = {"etl_master_data": airflow.succeed("etl_master_data")}
        imported.result()
        media.result()
    stack.done("mark_playable")
    today = datetime.now(UTC).date().isoformat()
    runs["train_als"] = airflow.succeed("train_als", {"as_of": today})
    for dag, run in airflow.runs_caused_by("train_als", runs["train_als"]):
        airflow.expect_success(dag, run)
        runs[dag] = run
    runs["maintain_lake"] = airflow.succeed("maintain_lake")
    path = f"dags/train_als/dagRuns/{runs['train_als']}/taskInstances/announce/xcomEntries"
    generation = airflow.call("GET", f"{path}/return_value")["value"]
    return Published(world, generation, runs)
