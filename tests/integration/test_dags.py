"""Every DAG under a real scheduler, and the order of its tasks."""

import itertools
import os
import signal
import time
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta

import psutil
import pytest

from infra.local import show
from infra.local.airflow_client import Airflow, RunFailed
from infra.local.processes import members
from jobs.contract.events import Action
from jobs.contract.generations import State
from jobs.contract.names import RAW_LOGS
from jobs.stores.alerts import Alerts
from jobs.stores.lease import lake_writer
from jobs.stores.objects import Objects
from jobs.stores.stream_health import StreamHealth
from plugins.watch import Watch
from tests.integration.lake import raw_logs
from tests.integration.stack import SETTINGS

DAYS = 2
BEGINS = int(SETTINGS["NOCTURNE_NIGHT_BEGINS"])
TRAINING_HOUR = (BEGINS + 2) % 24


@pytest.fixture(scope="module")
def airflow(stack) -> Airflow:
    return stack.airflow()


def events(airflow: Airflow, run: str) -> list[dict]:
    query = {"source_dag_id": "train_als", "source_run_id": run}
    return airflow.call("GET", "assets/events", params=query)["asset_events"]


def wait_for(condition, seconds: float, what: str):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(1)
    return found


def test_the_asset_of_training_started_the_rebuild_that_published_it(
    stack, published, airflow, generations
):
    run = airflow.call("GET", f"dags/rebuild_index/dagRuns/{published.runs['rebuild_index']}")
    assert (run["run_type"], run["state"]) == ("asset_triggered", "success")
    (event,) = events(airflow, published.runs["train_als"])
    assert event["extra"]["generation"] == published.generation
    with_state = generations.find(published.generation)
    assert with_state["state"] in (State.LIVE, State.RETIRED)
    assert State.LIVE in [step["state"] for step in with_state["history"]]


def test_no_dag_fails_to_load(airflow):
    assert airflow.call("GET", "importErrors")["import_errors"] == []


def test_a_new_installation_does_not_catch_up_with_last_night(airflow):
    runs = airflow.call("GET", "dags/~/dagRuns?limit=100")["dag_runs"]
    nightly = [r for r in runs if r["run_type"] == "scheduled"]
    nightly = [r for r in nightly if r["dag_id"] != "stream_supervisor"]
    late = [
        r["dag_run_id"]
        for r in nightly
        if datetime.fromisoformat(r["queued_at"]) - datetime.fromisoformat(r["run_after"])
        > timedelta(minutes=10)
    ]
    assert late == []


@pytest.mark.parametrize(
    ("dag", "hour", "minute"),
    [
        ("maintain_lake", 0, 30),
        ("etl_master_data", 1, 0),
        ("train_als", 2, 0),
        ("daily_report", 6, 0),
    ],
)
def test_the_night_begins_when_it_is_told_to(airflow, dag, hour, minute):
    following = airflow.call("GET", f"dags/{dag}")["next_dagrun_run_after"]
    at = datetime.fromisoformat(following)
    assert (at.hour, at.minute) == ((BEGINS + hour) % 24, minute)


def test_every_dag_is_documented_tagged_and_retried(airflow):
    for dag in airflow.call("GET", "dags")["dags"]:
        details = airflow.call("GET", f"dags/{dag['dag_id']}/details")
        assert f"infra/runbooks/{dag['dag_id']}.md" in details["doc_md"]
        assert details["owners"] == ["nocturne"]
        assert details["tags"]
        for task in airflow.call("GET", f"dags/{dag['dag_id']}/tasks")["tasks"]:
            assert task["retries"] >= 1, task["task_id"]


@pytest.mark.parametrize(
    ("dag", "order"),
    [
        ("etl_master_data", ["songs", "users", "playable"]),
        ("train_als", ["choose", "train", "evaluate", "gate", "approve", "announce"]),
        ("rebuild_index", ["generations", "build_index", "publish"]),
        ("stream_supervisor", ["ensure", "watch"]),
        ("maintain_lake", ["pause", "erase", "maintain", "verify", "resume"]),
    ],
)
def test_tasks_run_in_the_order_that_matters(airflow, dag, order):
    tasks = {t["task_id"]: t for t in airflow.call("GET", f"dags/{dag}/tasks")["tasks"]}
    assert set(tasks) == set(order)
    for before, after in itertools.pairwise(order):
        assert after in tasks[before]["downstream_task_ids"]


def test_the_supervisor_watches_in_rolling_green_runs(airflow):
    def green() -> bool:
        runs = airflow.call("GET", "dags/stream_supervisor/dagRuns?order_by=-start_date")
        states = [run["state"] for run in runs["dag_runs"]]
        assert "failed" not in states
        return states.count("success") >= 2

    wait_for(green, 120, "two green watches")


def test_the_stream_is_stopped_on_purpose_stays_stopped_and_goes_on(stack, airflow):
    with closing(StreamHealth(stack.settings)) as health:
        airflow.succeed("stream_control", {"action": "stop", "reason": "a test"})
        wait_for(lambda: health.read()["phase"] == "held", 30, "held stream")
        assert health.read()["holds"] == ["operator: a test"]
        (driver, *_) = members(stack.local.state, "stream")
        os.kill(health.read()["pid"], signal.SIGKILL)
        wait_for(lambda: health.read()["pid"] != driver.pid, 60, "new driver")
        time.sleep(15)
        assert health.read()["phase"] == "held"
        airflow.succeed("stream_control", {"action": "start", "reason": ""})
        wait_for(lambda: health.read()["phase"] == "running", 60, "running stream")


def test_a_maintenance_that_fails_lets_the_stream_go_on(stack, published, airflow):
    """`maintain` is marked failed; `resume` is a teardown, which runs all the same."""
    run = airflow.trigger("maintain_lake")
    path = f"dags/maintain_lake/dagRuns/{run}/taskInstances"
    with closing(StreamHealth(stack.settings)) as health:
        wait_for(lambda: health.read()["phase"] == "held", 60, "held stream")
        wait_for(lambda: airflow.call("GET", f"{path}/maintain")["state"] == "running", 90, "start")
        airflow.call("PATCH", f"{path}/maintain", json={"new_state": "failed"})
        assert airflow.follow("maintain_lake", run) == "failed"
        assert airflow.call("GET", f"{path}/resume")["state"] == "success"
        wait_for(lambda: health.read()["phase"] == "running", 60, "running stream")


def test_failed_runs_of_the_supervisor_and_the_automatic_pause_are_told(stack, airflow, webhook):
    stack.end_alerts()
    webhook.told.clear()
    dag = "dags/stream_supervisor"

    def fail_the_watch() -> bool:
        runs = airflow.call("GET", f"{dag}/dagRuns?order_by=-start_date&limit=3")["dag_runs"]
        for run in runs:
            watch = f"{dag}/dagRuns/{run['dag_run_id']}/taskInstances/watch"
            if airflow.call("GET", watch)["state"] == "deferred":
                airflow.call("PATCH", watch, json={"new_state": "failed"})
        return bool(airflow.call("GET", dag)["is_paused"])

    with closing(Alerts(stack.settings)) as alerts:
        wanted = {"supervision_failed", "unsupervised"}
        try:
            wait_for(fail_the_watch, 240, "automatic pause")
            wait_for(lambda: "supervision_failed" in {a["_id"] for a in alerts.open()}, 60, "alert")
            with closing(Watch(stack.settings)) as orphan:  # of a failed run's trigger
                orphan.look()
            wait_for(lambda: {a["_id"] for a in alerts.open()} >= wanted, 240, "alerts")
        finally:
            airflow.call("PATCH", dag, json={"is_paused": False})
        wait_for(lambda: not {a["_id"] for a in alerts.open()} & wanted, 120, "end of the alerts")
    for alert in wanted:
        (news,) = webhook.of(alert)
        assert news["runbook"] == "infra/runbooks/stream_supervisor.md"


def test_a_wrong_day_is_refused_before_anything_runs(airflow):
    with pytest.raises(RunFailed, match="as_of"):
        airflow.trigger("train_als", {"as_of": "yesterday"})


def test_too_little_data_is_red_and_leaves_the_live_generation(
    stack, published, airflow, generations
):
    live = generations.live()
    run = airflow.trigger("train_als", {"as_of": "1999-01-01"})
    path = f"dags/train_als/dagRuns/{run}"
    tries = f"{path}/taskInstances/train"
    failed = wait_for(
        lambda: airflow.call("GET", tries)["state"] in ("up_for_retry", "failed"), 180, "refusal"
    )
    assert failed
    log = airflow.call("GET", f"{tries}/logs/1", headers={"accept": "application/json"})
    assert "too little" in str(log).lower()
    airflow.call("PATCH", path, json={"state": "failed"})
    assert generations.live() == live


def test_a_broken_window_is_stopped_at_the_gate(stack, published, airflow, generations, webhook):
    """The plays of the last ten days are lost: red, with the sentence in the log, live as was."""
    stack.end_alerts()
    webhook.told.clear()
    live = generations.live()
    lost = datetime.now(UTC).date() - timedelta(days=10)
    with lake_writer(stack.settings, "test"):
        table = show.table(stack.settings, RAW_LOGS)
        before = table.version()
        table.delete(f"date >= '{lost.isoformat()}'")
    try:
        as_of = generations.find(published.generation)["as_of"]
        run = airflow.trigger("train_als", {"as_of": as_of})
        assert airflow.follow("train_als", run) == "failed"
    finally:
        with lake_writer(stack.settings, "test"):
            show.table(stack.settings, RAW_LOGS).restore(before)
    path = f"dags/train_als/dagRuns/{run}/taskInstances"
    task = airflow.call("GET", f"{path}/gate")
    assert (task["state"], task["try_number"]) == ("failed", 1)  # no retry would change it
    log = airflow.call("GET", f"{path}/gate/logs/1", headers={"accept": "application/json"})
    assert f"of the live generation {live.generation}" in str(log)
    assert airflow.call("GET", f"{path}/announce")["state"] == "upstream_failed"
    assert generations.live() == live
    (news,) = wait_for(lambda: webhook.of("train_als_failed"), 30, "told alert")
    assert f"train_als.gate failed in run {run}" in news["said"]
    assert "was rejected, the live generation stays: it has" in news["said"]
    assert news["runbook"] == "infra/runbooks/train_als.md"


def test_a_backfill_goes_in_order_and_a_killed_training_doubles_nothing(
    stack, published, airflow, generations, webhook
):
    """The first takes longer than a night may: somebody is told; a green run ends its alerts."""
    stack.end_alerts()
    webhook.told.clear()
    # Up to the last night that is due: after an earlier one Airflow would go on to that by itself.
    now = datetime.now(UTC)
    last = now.replace(hour=TRAINING_HOUR, minute=0, second=0, microsecond=0)
    last -= timedelta(days=last > now)
    first = last - timedelta(days=DAYS - 1)
    body = {
        "dag_id": "train_als",
        "from_date": first.isoformat(),
        "to_date": last.isoformat(),
        "max_active_runs": 1,
        "reprocess_behavior": "none",
    }

    def accepted() -> bool:
        answer = airflow.request("POST", "backfills", json=body)
        assert answer.status_code in (200, 503), answer.text  # 503: SQLite is locked, ask again
        return answer.ok

    def training() -> list[psutil.Process]:
        try:
            everyone = members(stack.local.state)
            return [p for p in everyone if "jobs/train_als.py" in " ".join(p.cmdline())]
        except psutil.NoSuchProcess:
            return []

    def backfilled(days: int) -> list[dict]:
        runs = airflow.call("GET", "dags/train_als/dagRuns?order_by=start_date")["dag_runs"]
        runs = [run for run in runs if run["run_type"] == "backfill"]
        assert "failed" not in [run["state"] for run in runs]
        return runs if [r["state"] for r in runs].count("success") >= days else []

    wait_for(accepted, 60, "acceptance of the backfill")
    for process in wait_for(training, 90, "training process"):
        with suppress(ProcessLookupError):  # the JVM and its Python end together
            os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: backfilled(1), 600, "first night")
    (news,) = webhook.of("train_als_late")
    assert news["said"] == "train_als was not done 0.02 hours after it was queued"
    assert news["runbook"] == "infra/runbooks/train_als.md"

    runs = wait_for(lambda: backfilled(DAYS), 600, "backfill")
    path = "dags/train_als/dagRuns/{}/taskInstances/train"
    tries = [airflow.call("GET", path.format(r["dag_run_id"]))["try_number"] for r in runs]
    assert tries == [2, 1]
    wanted = [(first + timedelta(days=i)).date() for i in range(DAYS)]
    trained = [events(airflow, run["dag_run_id"]) for run in runs]
    assert [len(announced) for announced in trained] == [1] * DAYS
    found = [generations.find(event["extra"]["generation"]) for (event,) in trained]
    assert [document["as_of"] for document in found] == [day.isoformat() for day in wanted]
    assert [document["plays"] for document in found] == [plays(stack, day) for day in wanted]
    ends = [run["end_date"] for run in runs]
    starts = [run["start_date"] for run in runs]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    wait_for(lambda: generations.live().generation == found[-1]["_id"], 400, "publication")
    with closing(Alerts(stack.settings)) as alerts:
        wait_for(
            lambda: not [a for a in alerts.open() if a["_id"].startswith("train_als")],
            60,
            "end of the alerts",
        )


def plays(stack, as_of: date) -> int:
    """Count the plays of a training's window in the lake."""
    window = [("date", ">=", as_of - timedelta(days=stack.settings.window_days))]
    window += [("date", "<", as_of), ("action", "=", Action.LISTEN.value)]
    return raw_logs(stack.settings, columns=["date"], filters=window).num_rows


def test_two_generations_are_compared_for_the_same_listeners(stack, published, tmp_path):
    asked = ("--a", published.generation, "--listeners", "5", "--out", str(tmp_path))
    printed = stack.done("compare", *asked)
    table = {line[:16].strip(): line[16:].split() for line in printed.splitlines()[:4]}
    assert list(table) == ["list", "home, unheard", "next", "home, all songs"]
    assert {row[0] for row in table.values()} == {"listeners", "5"}
    (page,) = tmp_path.iterdir()
    key = printed.splitlines()[-2].removeprefix("compare: ")
    body = Objects(stack.settings).get(stack.settings.lake_bucket, key)
    assert page.read_bytes() == body
    text = body.decode()
    assert published.generation in text
    assert text.count("<h2 data-listener=") == 5
    assert not any(line.count("None") for line in (*text.splitlines(), printed))
    refused = stack.run(["python", "jobs/compare.py", "--a", "g20000101T0000_00000000"])
    assert refused.returncode == 1
    assert "there is no trained generation" in refused.stderr
