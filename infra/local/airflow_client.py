"""Start DAG runs over Airflow's REST API and follow them."""

import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from jobs.contract.errors import NocturneError, last_sentence

POLL_SECONDS = 2.0
RUN_SECONDS = 900
FINAL = {"success", "failed"}


class RunFailed(NocturneError):
    """A DAG run failed or did not end in time."""


class Airflow:
    """One user's session with Airflow's REST API."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        login = {"username": user, "password": password}
        answer = requests.post(f"{url}/auth/token", json=login, timeout=30)
        answer.raise_for_status()
        self.token = str(answer.json()["access_token"])
        self._session = requests.Session()
        # Asset events are answered with 500 while a run that they caused has no start date yet.
        again = Retry(total=5, backoff_factor=0.5, status_forcelist=[500, 502, 503, 504])
        self._session.mount("http://", HTTPAdapter(max_retries=again))
        self._session.headers["Authorization"] = f"Bearer {self.token}"

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the API; `path` is relative to /api/v2."""
        return self._session.request(method, f"{self.url}/api/v2/{path}", timeout=60, **options)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Call the API and return the JSON of its answer; raises on a refusal."""
        answer = self.request(method, path, **options)
        if not answer.ok:
            raise RunFailed(f"Airflow refused {method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def wait_for_dags(self, dags: set[str], seconds: float = 120) -> None:
        """Wait until the DAG processor has read these DAGs."""
        deadline = time.monotonic() + seconds
        while missing := dags - {d["dag_id"] for d in self.call("GET", "dags")["dags"]}:
            if time.monotonic() > deadline:
                errors = self.call("GET", "importErrors")["import_errors"]
                raise RunFailed(f"Airflow does not know the DAGs {sorted(missing)}: {errors}")
            time.sleep(1)

    def trigger(self, dag: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run of a DAG now and return its id."""
        body = {"logical_date": None, "conf": conf or {}}
        return str(self.call("POST", f"dags/{dag}/dagRuns", json=body)["dag_run_id"])

    def follow(self, dag: str, run: str, seconds: float = RUN_SECONDS) -> str:
        """Print each change of the run's tasks; return the run's final state."""
        deadline = time.monotonic() + seconds
        seen: dict[str, str] = {}
        path = f"dags/{dag}/dagRuns/{run}"
        while time.monotonic() < deadline:
            state = str(self.call("GET", path)["state"])
            for task in self.call("GET", f"{path}/taskInstances")["task_instances"]:
                name, now = f"{dag}.{task['task_id']}", str(task["state"])
                if now not in (seen.get(name), "None", "scheduled", "queued"):
                    seen[name] = now
                    took = f" ({task['duration']:.0f} s)" if task["duration"] else ""
                    print(f"  {name}: {now}{took}", flush=True)
            if state in FINAL:
                return state
            time.sleep(POLL_SECONDS)
        raise RunFailed(f"{dag} run {run} did not end within {seconds:.0f} s")

    def succeed(self, dag: str, conf: dict[str, Any] | None = None) -> str:
        """Run a DAG to its end and return the run's id; raises RunFailed unless it is green."""
        run = self.trigger(dag, conf)
        self.expect_success(dag, run)
        return run

    def expect_success(self, dag: str, run: str) -> None:
        """Follow a run; raises RunFailed, with what its task said, unless it ends green."""
        state = self.follow(dag, run)
        if state != "success":
            where = f"see {self.url}/dags/{dag}/runs/{run}"
            raise RunFailed(f"{dag} ended {state}: {self._why(dag, run)}{where}")

    def _why(self, dag: str, run: str) -> str:
        path = f"dags/{dag}/dagRuns/{run}/taskInstances"
        for task in self.call("GET", path)["task_instances"]:
            if task["state"] == "failed":
                name = task["task_id"]
                own = last_sentence(self.said(dag, run, name, task["try_number"]))
                return f"{name} says: {own}; " if own else ""
        return ""

    def said(self, dag: str, run: str, task: str, attempt: int = 1) -> list[str]:
        """Return the lines of a task's log, without their times."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}"
        log = self.call("GET", path, headers={"accept": "application/json"})
        return [str(line["event"]).strip() for line in log["content"] if "event" in line]

    def runs_caused_by(self, dag: str, run: str, seconds: float = 60) -> list[tuple[str, str]]:
        """Return the (DAG, run) pairs that this run's asset events started."""
        deadline = time.monotonic() + seconds
        query = {"source_dag_id": dag, "source_run_id": run}
        while time.monotonic() < deadline:
            events = self.call("GET", "assets/events", params=query)["asset_events"]
            caused = [(r["dag_id"], r["run_id"]) for e in events for r in e["created_dagruns"]]
            if caused:
                return caused
            time.sleep(POLL_SECONDS)
        raise RunFailed(f"the asset events of {dag} run {run} started nothing")
