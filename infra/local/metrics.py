"""`make metrics`: Prometheus, and the two exporters that it asks, beside the running stack.

They are programs of the stack like the others: supervised, in `make status` and `make logs`, and
stopped by `make down`. Run again, it takes changed rules over.
"""

import json
import os
import sys
import time
import xmlrpc.client
from pathlib import Path

import requests
import yaml

from infra.local import stack
from infra.local.config import HOST, Local, environment, load_local
from infra.local.console import console
from infra.local.install import ROOT, prometheus, statsd_exporter
from infra.local.preflight import StackError, require_free
from infra.local.programs import metrics_programs
from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.contract.tokens import service_key

FILES = ROOT / "infra/metrics"
READY_SECONDS = 90
KEY_DAYS = 365
PAGE = "nocturne.html"


def write_config(local: Local, settings: Settings) -> None:
    """Write a page, a key, and the configuration: that of compose with this stack's addresses."""
    folder = local.state / "metrics"
    (folder / "consoles").mkdir(parents=True, exist_ok=True)
    board = json.loads((FILES / "grafana/dashboard.json").read_text())
    (folder / "consoles" / PAGE).write_text(console(board))
    key = folder / "serving.key"
    key.touch(mode=0o600)
    key.write_text(service_key(settings, "prometheus", ("metrics",), KEY_DAYS))
    ports = {
        "serving": local.app_port,
        "exporter": local.exporter_port,
        "airflow": local.statsd_exporter_port,
        "prometheus": local.prometheus_port,
    }
    config = yaml.safe_load((FILES / "prometheus.yml").read_text())
    config["global"]["scrape_interval"] = f"{local.scrape_seconds}s"
    config["global"]["scrape_timeout"] = f"{min(local.scrape_seconds, 10)}s"
    config["global"]["evaluation_interval"] = f"{local.scrape_seconds}s"
    config["rule_files"] = [str(FILES / "rules.yml")]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"{HOST}:{ports[job['job_name']]}"]}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(key)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


def start(local: Local) -> None:
    """Start what is not running; raises StackError where that is not possible."""
    supervised = stack.require_running(local)
    for binary in (prometheus(), statsd_exporter()):
        if not binary.exists():
            raise StackError(f"not installed yet: {binary}; run `make metrics`")
    names = [program.name for program in metrics_programs(local)]
    try:
        # For its types, what XML-RPC answers may be anything.
        states = {n: supervised.supervisor.getProcessInfo(n)["statename"] for n in names}  # type: ignore[union-attr,index]
    except xmlrpc.client.Fault:
        raise StackError(
            "the running stack was started by an earlier version: `make down`, then `make up`"
        ) from None
    stopped = [name for name, state in states.items() if state not in ("RUNNING", "STARTING")]
    if len(stopped) == len(names):
        require_free(local, local.metrics_ports())
    for name in stopped:
        supervised.supervisor.startProcess(name, False)
    if "prometheus" not in stopped:
        supervised.supervisor.signalProcess("prometheus", "HUP")


def wait(local: Local) -> None:
    """Wait until Prometheus has read every target; raises StackError that names those it cannot."""
    deadline = time.monotonic() + READY_SECONDS + 2 * local.scrape_seconds
    sick = "Prometheus does not answer"
    while time.monotonic() < deadline:
        try:
            answer = requests.get(f"{address(local)}/api/v1/targets", timeout=5)
            targets = answer.json()["data"]["activeTargets"]
        except (requests.RequestException, ValueError):
            time.sleep(0.5)
            continue
        away = [t for t in targets if t["health"] != "up"]
        if not away:
            return
        sick = "; ".join(f"{t['labels']['job']}: {t['lastError'] or 'not read yet'}" for t in away)
        time.sleep(0.5)
    log = local.state / "logs/prometheus.log"
    raise StackError(f"not all metrics are read: {sick}\nlog: {log}\n{stack.tail(Path(log), 5)}")


def address(local: Local) -> str:
    """Return where Prometheus answers."""
    return f"http://{HOST}:{local.prometheus_port}"


def main() -> int:
    """Start it and wait; 1 with a sentence on stderr where that fails."""
    try:
        local = stack.remembered(load_local())
        os.environ.update(environment(local))
        write_config(local, load_settings())
        start(local)
        print("metrics: waiting until Prometheus has read everything", flush=True)
        wait(local)
    except NocturneError as error:
        print(f"metrics: ERROR: {error}", file=sys.stderr)
        return 1
    print(f"\n  metrics  {address(local)}/consoles/{PAGE}  until `make down`\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
