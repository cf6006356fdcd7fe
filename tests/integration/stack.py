"""A local stack of the tests' own: its own ports, its own state folder."""

import json
import os
import socket
import subprocess
import sys
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from infra.local.airflow_client import Airflow
from infra.local.config import Local, administrator, environment, own_keys, stack_secrets
from infra.local.identities import policy
from infra.local.init import minio_admin
from infra.local.install import ROOT
from jobs.contract.settings import PREFIX, Settings
from jobs.contract.tokens import listener_token
from jobs.stores.alerts import Alerts
from jobs.stores.objects import Objects
from tests.integration.java import Java

SETTINGS = {
    "NOCTURNE_STREAM_TRIGGER_SECONDS": "1",
    "NOCTURNE_SCRAPE_SECONDS": "3",
    "NOCTURNE_WATCH_SECONDS": "20",
    "NOCTURNE_MIN_PLAYS": "50",
    "NOCTURNE_ITERATIONS": "6",
    "NOCTURNE_LEASE_SECONDS": "20",
    "NOCTURNE_MIN_TRACK_MS": "0",
    "NOCTURNE_STREAM_UNWATCHED_SECONDS": "45",
    # No nightly run comes into the tests' own, at whatever hour they run.
    "NOCTURNE_NIGHT_BEGINS": str((datetime.now(UTC).hour + 8) % 24),
    # A training that is killed once takes longer.
    "NOCTURNE_NIGHT_HOURS": "0.02",
    # The jobs of the tests end before the optimising compiler has paid for itself.
    "SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1",
}
"""What tests cannot wait for in its default."""
SPARK_MASTER = "NOCTURNE_SPARK_MASTER"
MODULES = {"metrics": ("infra.local.metrics",)}
"""Targets that are no command of the stack."""


@dataclass(frozen=True)
class Stack:
    """The running stack: `env` is the whole environment of a job's subprocess."""

    env: dict[str, str]
    local: Local
    settings: Settings
    java: Java | None = None

    @property
    def app_url(self) -> str:
        """Where the Flask app answers."""
        return f"http://127.0.0.1:{self.local.app_port}"

    def end_alerts(self) -> None:
        """Close all alerts, so that each that opens from now on is told."""
        with closing(Alerts(self.settings)) as alerts:
            for alert in alerts.open():
                alerts.clear(alert["_id"])

    def run(
        self, command: list[str], timeout: float = 400, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the stack's environment; keep its output, do not raise.

        On another master than the stack's, its Spark is in a JVM of its own.
        """
        if command[0] == "python":
            command = [sys.executable, *command[1:]]
        lent = self.java.lent() if self.java and SPARK_MASTER not in env else nullcontext({})
        with lent as java:
            return subprocess.run(
                command,
                cwd=ROOT,
                env=self.env | java | env,
                capture_output=True,
                text=True,
                timeout=timeout,
            )

    def headers(self, user_id: str) -> dict[str, str]:
        """Return the headers of a request by this listener."""
        return {"Authorization": f"Bearer {listener_token(self.settings, user_id)}"}

    def done(self, job: str, *arguments: str, **env: str) -> str:
        """Run a job that must end well; return what it printed."""
        ended = self.run(["python", f"jobs/{job}.py", *arguments], **env)
        assert ended.returncode == 0, f"{ended.stdout[-1000:]}\n{ended.stderr[-3000:]}"
        return ended.stdout

    def settings_of(self, program: str) -> Settings:
        """Return the settings with which supervisord starts a program."""
        return _with(self.settings, own_keys(self.local.state)[program])

    def ensure_lake(self, settings: Settings) -> None:
        """Make the lake's bucket of a test, and let the jobs do there what they do in the lake."""
        root = _with(settings, administrator(self.local.state))
        Objects(root).ensure_bucket(settings.lake_bucket)
        admin, name = minio_admin(root), f"jobs-{settings.lake_bucket}"
        admin.policy_add(name, policy=policy("jobs", settings))
        had = json.loads(admin.user_info("jobs"))["policyName"].split(",")
        admin.policy_set(",".join({*had, name}), user="jobs")

    def airflow(self, user: str = "admin") -> Airflow:
        """Log into the stack's Airflow."""
        password = stack_secrets(self.local.state)[f"airflow_{user}"]
        return Airflow(self.env["AIRFLOW_URL"], user, password)


def _with(settings: Settings, environment: dict[str, str]) -> Settings:
    given = {k.removeprefix(PREFIX).lower(): v for k, v in environment.items()}
    known = {k: v for k, v in given.items() if k in Settings.model_fields}
    return settings.model_copy(update=known)


def free_ports(state: Path) -> Local:
    """Return ports that nothing listens on now."""
    single = [name for name in Local.model_fields if name.endswith("_port")]
    blocks = {"milvus_internal_port": 8, "etcd_port": 2}
    taken: dict[str, int] = {}
    start = 21_000 + os.getpid() % 5_000
    for name in single:
        start = _free_block(start, blocks.get(name, 1))
        taken[name] = start
        start += blocks.get(name, 1)
    return Local(state=state, **taken)


def _free_block(start: int, size: int) -> int:
    while not all(_is_free(start + i) for i in range(size)):
        start += 1
    return start


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def stack_of(local: Local) -> Stack:
    """Describe the stack with these ports."""
    env = environment(local)
    settings = Settings(
        **{
            k.removeprefix("NOCTURNE_").lower(): v
            for k, v in env.items()
            if k.startswith("NOCTURNE_")
        }
    )
    return Stack(env, local, settings)


def make(target: str, local: Local) -> None:
    """Run `up`, `metrics` or `down` for this stack, with its output shown."""
    ports = {
        f"NOCTURNE_{k.upper()}": str(v) for k, v in json.loads(local.model_dump_json()).items()
    }
    subprocess.run(
        [sys.executable, "-m", *MODULES.get(target, ("infra.local.stack", target))],
        cwd=ROOT,
        env=os.environ | SETTINGS | ports | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
