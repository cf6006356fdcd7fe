"""The graph of the nightly DAGs as Mermaid, read from the DAGs themselves.

Run it where AIRFLOW_HOME is a folder that may be written to. infra/docs/nights.md has what it
prints, and a test compares the two.
"""

from collections.abc import Iterator
from typing import Any

from airflow.dag_processing.dagbag import DagBag

from infra.local.install import ROOT


def nightly_dags() -> list[Any]:
    """Return the DAGs with the tag `nightly`: those with a time by their time, then the others."""
    bag = DagBag(str(ROOT / "dags"))
    if bag.import_errors:
        raise RuntimeError(str(bag.import_errors))
    nightly = [dag for dag in bag.dags.values() if "nightly" in dag.tags]
    return sorted(nightly, key=lambda dag: _time(dag) or "~")


def graph() -> str:
    """Return the graph: a box for each DAG. Mermaid draws the last of them leftmost."""
    dags = nightly_dags()
    lines = ["flowchart TB"]
    for dag in reversed(dags):
        lines += _box(dag)
    makers = {asset: dag for dag in dags for task in dag.tasks for asset in _names(task.outlets)}
    for dag in dags:
        for asset in _waits_for(dag):
            lines.append(f"    {makers[asset].dag_id} -- asset {asset} --> {dag.dag_id}")
    return "\n".join(lines)


def _box(dag: Any) -> Iterator[str]:
    when = _time(dag) or f"after {' and '.join(_waits_for(dag))}"
    yield f'    subgraph {dag.dag_id}["{dag.dag_id}, {when}"]'
    yield "        direction TB"
    for task in dag.topological_sort():
        yield f'        {dag.dag_id}_{task.task_id}["{task.task_id}"]'
    for task in dag.topological_sort():
        for after in sorted(task.downstream_task_ids):
            yield f"        {dag.dag_id}_{task.task_id} --> {dag.dag_id}_{after}"
    yield "    end"


def _time(dag: Any) -> str | None:
    """Return when a DAG starts each night; None where no clock starts it."""
    cron = getattr(dag.timetable, "expression", None)
    if cron is None:
        return None
    minute, hour = cron.split()[:2]
    return f"{int(hour):02}:{int(minute):02}"


def _waits_for(dag: Any) -> list[str]:
    return _names(dag.schedule) if isinstance(dag.schedule, list) else []


def _names(assets: Any) -> list[str]:
    return [asset.name for asset in assets]


if __name__ == "__main__":
    print(graph())
