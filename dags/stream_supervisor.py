"""Keep the ingestion stream alive: ensure that its driver runs, then watch it.

Always running. `ensure` starts the driver where the process manager does not have it; `watch`
waits without a worker, ends green after half an hour, and restarts a driver that lives but no
longer writes its heartbeat. Clearing or failing a run never touches a healthy driver.

If it fails: infra/runbooks/stream_supervisor.md.
"""

import pendulum
from airflow.sdk import DAG

from plugins.operators import DEFAULT_ARGS
from plugins.supervision import EnsureStream, WatchStream

with DAG(
    dag_id="stream_supervisor",
    description="Ensures and watches the stream driver",
    schedule="@continuous",
    start_date=pendulum.datetime(2014, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["stream"],
    doc_md=__doc__,
):
    EnsureStream(task_id="ensure") >> WatchStream(task_id="watch")
