"""Alerts about DAG runs: one that failed, one that is late. A green run ends them."""

import asyncio
from contextlib import closing
from datetime import timedelta
from typing import Any

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference
from airflow.sdk.bases.notifier import BaseNotifier

from jobs.contract.errors import last_sentence
from jobs.contract.names import runbook
from jobs.contract.settings import load_settings

LONGEST = 400
OUTPUT = "Last spark-submit output:"


def alerts() -> Any:
    """Return the alerts; their store is imported here, not by whoever only reads the DAGs."""
    from jobs.stores.alerts import Alerts

    return closing(Alerts(load_settings()))


def reason(said: str) -> str:
    """Return what an exception says; of a Spark job's output its own last sentence alone.

    Examples:
        >>> reason("Cannot execute: spark-submit … is: 1.\\nLast spark-submit output:\\n"
        ...        "WARNING: Using x\\ntrain_als: too little to train on\\n12:00:01 WARN Y: z")
        'train_als: too little to train on'
        >>> reason("MongoDB is away")
        'MongoDB is away'
    """
    _, found, output = said.partition(OUTPUT)
    if not found:
        return said
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return last_sentence(lines) or [said, *lines][-1]


class TellOfFailure(BaseNotifier):
    """Raise the alert of a task that failed for good, with what it said."""

    def notify(self, context: Any) -> None:
        """Write the alert; whoever wants mail or a webhook is told by the store."""
        task = context["task_instance"]
        why = reason(str(context.get("exception") or "see its log"))
        said = f"{task.dag_id}.{task.task_id} failed in run {task.run_id}: {why}"
        with alerts() as store:
            store.raise_(_failed(task.dag_id), said[:LONGEST], runbook(task.dag_id))


class TellOfSuccess(BaseNotifier):
    """Close the alerts of a DAG whose run is green."""

    def notify(self, context: Any) -> None:
        """Close them, where any is open."""
        dag_id = context["dag"].dag_id
        with alerts() as store:
            store.clear(_failed(dag_id))
            store.clear(_late(dag_id))


async def tell_of_lateness(dag_id: str, hours: float) -> None:
    """Raise the alert of a run that is not done so many hours after it was queued."""
    said = f"{dag_id} was not done {hours:g} hours after it was queued"

    def tell() -> None:
        with alerts() as store:
            store.raise_(_late(dag_id), said, runbook(dag_id))

    await asyncio.to_thread(tell)


def watched(dag_id: str, nightly: bool = True) -> dict[str, Any]:
    """Return the arguments of a DAG whose failures and, by night, delays are told."""
    arguments: dict[str, Any] = {"on_success_callback": TellOfSuccess()}
    if nightly:
        hours = load_settings().night_hours
        told = AsyncCallback(tell_of_lateness, kwargs={"dag_id": dag_id, "hours": hours})
        arguments["deadline"] = DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(hours=hours),
            callback=told,
        )
    return arguments


def _failed(dag_id: str) -> str:
    return f"{dag_id}_failed"


def _late(dag_id: str) -> str:
    return f"{dag_id}_late"
