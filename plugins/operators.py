"""How Nocturne's DAGs run a job: one way for Spark jobs, one for plain Python."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import CronTriggerTimetable

JOBS = Path(__file__).resolve().parents[1] / "jobs"

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "nocturne",
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
}
"""Every job can be repeated, so a task that failed is tried again."""


def nightly(cron: str) -> CronTriggerTimetable:
    """Return the schedule of a nightly DAG (UTC); a new installation waits for its first night.

    A plain cron string, and False as well, would run the last night at once when it is less
    than a tenth of a day ago.
    """
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
