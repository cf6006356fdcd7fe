"""Make an earlier generation live again.

Trigger it without Params for the generation that was live before the present one, or with `to`
for any that is still kept. It is checked and asked for over the app first, then the one pointer
is switched; serving follows within two seconds. Nothing is deleted, and the generation that was
left is not published again by itself: tonight's `train_als` publishes a new one.

If it fails: [infra/runbooks/rollback.md](/nocturne/runbooks/rollback.md).
What was live before still is.
"""

from airflow.sdk import DAG, Param

from jobs.contract.generations import ID_PATTERN
from plugins.alerting import watched
from plugins.operators import DEFAULT_ARGS, RollbackOperator

with DAG(
    dag_id="rollback",
    description="Makes an earlier generation live again",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    **watched("rollback", nightly=False),
    params={
        "to": Param(
            None,
            type=["null", "string"],
            pattern=f"^{ID_PATTERN}$",
            description="Generation to go back to; empty: what was live before.",
        ),
        "reason": Param("", type="string", maxLength=500, description="kept with the generations"),
    },
    tags=["model"],
    doc_md=__doc__,
):
    RollbackOperator(task_id="rollback", to="{{ params.to or '' }}", reason="{{ params.reason }}")
