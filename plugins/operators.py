"""How Nocturne's DAGs run a job: one way for Spark jobs, one for plain Python."""

import os
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator, BaseOperatorLink, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from jobs.contract.generations import REJECTED_EXIT
from jobs.contract.names import SPARK_POOL
from jobs.contract.settings import load_settings
from plugins.alerting import TellOfFailure

JOBS = Path(__file__).resolve().parents[1] / "jobs"

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "nocturne",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
    "on_failure_callback": TellOfFailure(),
}
"""Every job can be repeated, so a task that failed is tried again, and told of at last."""


def nightly(hour: int, minute: int = 0) -> CronTriggerTimetable:
    """Return the schedule of a DAG that runs so long after the night has begun.

    A new installation waits for its first night. A plain cron string, and False as well, would
    run the last night at once when it is less than a tenth of a day ago.
    """
    cron = f"{minute} {(load_settings().night_begins + hour) % 24} * * *"
    return CronTriggerTimetable(cron, timezone="UTC", run_immediately=timedelta(0))


def spark_job(task_id: str, job: str, arguments: Any = (), **options: Any) -> SparkSubmitOperator:
    """Return a task that submits `jobs/<job>.py` to the master of `spark_default`.

    `arguments` are strings, templates allowed, or the XCom of a task that returns a list.
    """
    return SparkSubmitOperator(
        task_id=task_id,
        application=str(JOBS / f"{job}.py"),
        application_args=list(arguments) if isinstance(arguments, list | tuple) else arguments,
        conn_id="spark_default",
        name=f"nocturne {job}",
        pool=SPARK_POOL,
        **options,
    )


def python_job(task_id: str, job: str, arguments: str = "", **options: Any) -> BashOperator:
    """Return a task that runs `jobs/<job>.py` without Spark; `arguments` is a template.

    The arguments reach the shell as a variable, so that nothing in them is run.
    """
    return BashOperator(
        task_id=task_id,
        bash_command=f'exec "{sys.executable}" "{JOBS / job}.py" $ARGUMENTS',
        env={"ARGUMENTS": arguments},
        append_env=True,
        cwd=os.environ.get("NOCTURNE_ROOT", str(JOBS.parent)),
        **options,
    )


class JobOperator(BaseOperator):
    """Run one of `jobs/` that needs no Spark; its output is the log of the task."""

    def run_job(self, job: str, *arguments: str) -> int:
        """Return the exit code of the job."""
        command = [sys.executable, str(JOBS / f"{job}.py"), *arguments]
        root = os.environ.get("NOCTURNE_ROOT", str(JOBS.parent))
        return SubprocessHook().run_command(command=command, cwd=root).exit_code

    @staticmethod
    def user(context: Any) -> str:
        """Return who triggered the run."""
        return str(context["dag_run"].triggering_user_name or "airflow")


class RollbackOperator(JobOperator):
    """Make an earlier generation live, in the name of whoever triggered the run."""

    template_fields = ("to", "reason")

    def __init__(self, *, to: str, reason: str, **options: Any) -> None:
        super().__init__(**options)
        self.to = to
        self.reason = reason

    def execute(self, context: Any) -> None:
        """Run jobs/rollback.py; there is no second try, which might go back once more."""
        chosen = [f"--to={self.to}"] if self.to else []
        code = self.run_job(
            "rollback", *chosen, f"--reason={self.reason}", f"--by={self.user(context)}"
        )
        if code != 0:
            raise AirflowFailException(f"nothing was rolled back: exit code {code}")


class ReportLink(BaseOperatorLink):
    """The button of a task that shows the page of the generation it is about."""

    name = "Report"  # type: ignore[assignment]

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address in Airflow; the operator's template is rendered by then."""
        return f"/nocturne/reports/{operator.generation}"


class GateOperator(JobOperator):
    """Let a measured generation pass, or end the run: red without a retry, or skipped."""

    operator_extra_links = (ReportLink(),)

    template_fields = ("generation", "override")

    def __init__(
        self, *, generation: str, override: str, skip_rejected: bool, **options: Any
    ) -> None:
        super().__init__(**options)
        self.generation = generation
        self.override = override
        self.skip_rejected = skip_rejected

    def execute(self, context: Any) -> None:
        """Run jobs/gate.py; what it objects to is in the log of this task."""
        arguments = [f"--generation={self.generation}"]
        if self.override:
            arguments += [f"--override={self.override}", f"--by={self.user(context)}"]
        code = self.run_job("gate", *arguments)
        if code == REJECTED_EXIT:
            rejected = AirflowSkipException if self.skip_rejected else AirflowFailException
            why = "; ".join(objections(self.generation))
            raise rejected(f"{self.generation} was rejected, the live generation stays: {why}")
        if code != 0:
            raise AirflowException(f"the gate could not decide: exit code {code}")


class DailyReport(BaseOperator):
    """Write the daily report of the day on which it runs (UTC)."""

    def execute(self, context: Any) -> str:
        """Return the object key of the page."""
        # Airflow's parsing of the DAGs need not load what the cards read.
        from plugins.page_cards import Cards

        day = datetime.now(UTC).date()
        key = Cards(load_settings(), lambda _: None).write_daily(day)
        self.log.info("the page: %s in the lake, /nocturne/daily/%s in Airflow", key, day)
        return key


class PublishApproval(ApprovalOperator):
    """Wait until a person approves, in a run that wants it; others go on at once."""

    def execute(self, context: Any) -> Any:
        """Ask where the setting or the run's Param `approval` says so."""
        if load_settings().require_approval or context["params"]["approval"]:
            return super().execute(context)
        self.log.info("nobody has to approve: NOCTURNE_REQUIRE_APPROVAL and approval are off")
        return None


def objections(generation: str) -> list[str]:
    """Return what the gate's last verdict has against a generation."""
    # Whoever only reads the DAGs does not need the store.
    from jobs.stores.generations import Generations

    with closing(Generations(load_settings())) as generations:
        found = generations.find(generation) or {}
    return list(found.get("gate", {}).get("objections", []))
