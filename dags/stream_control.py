"""Stop the ingestion stream on purpose, or let it go on.

Trigger it with `action` stop: the driver ends its batch, lets go of the lake and stays `held`,
also over restarts of any part, until it is triggered with start. Events wait in Kafka meanwhile,
for as long as the topic keeps them.

If it fails: [infra/runbooks/stream_control.md](/nocturne/runbooks/stream_control.md).
"""

from airflow.sdk import DAG, Param

from plugins.alerting import watched
from plugins.operators import DEFAULT_ARGS
from plugins.supervision import ControlStream

with DAG(
    dag_id="stream_control",
    description="Stops the stream on purpose, or lets it go on",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    **watched("stream_control", nightly=False),
    params={
        "action": Param("stop", enum=["stop", "start"], description="what the stream shall do"),
        "reason": Param("", type="string", maxLength=200, description="shown while it is held"),
    },
    tags=["stream"],
    doc_md=__doc__,
):
    ControlStream(task_id="control", action="{{ params.action }}", reason="{{ params.reason }}")
