"""Keep the ingestion stream alive: ensure that its driver runs, then watch it.

Always running. `ensure` starts the driver where the process manager does not have it; `watch`
waits without a worker and ends green after half an hour. It acts on a driver that is dead or
frozen, on messages that wait without progress, on a lag that grows and on a second driver:
with a restart, each after a longer pause than the one before, and an alert. Clearing or failing
a run never touches a healthy driver. To stop the stream on purpose: the DAG `stream_control`.

If it fails: [infra/runbooks/stream_supervisor.md](/nocturne/runbooks/stream_supervisor.md).
"""

import pendulum
from airflow.sdk import DAG

from plugins.operators import DEFAULT_ARGS
from plugins.supervision import EnsureStream, WatchStream, tell_of_failed_run

with DAG(
    dag_id="stream_supervisor",
    description="Ensures and watches the stream driver",
    schedule="@continuous",
    start_date=pendulum.datetime(2014, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    max_consecutive_failed_dag_runs=3,
    on_failure_callback=tell_of_failed_run,
    # Its alert is that of the failed run.
    default_args=DEFAULT_ARGS | {"on_failure_callback": None},
    tags=["stream"],
    doc_md=__doc__,
):
    EnsureStream(task_id="ensure") >> WatchStream(task_id="watch")
