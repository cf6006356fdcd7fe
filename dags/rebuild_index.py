"""Index a trained generation in Milvus, verify it and make it live.

Runs when `train_als` has announced a generation, which the asset event names. Runs wait for each
other in the pool `spark`, and for a training under way. Index, vectors and lists are built beside
the live ones; row counts, numbers and the recall of the index are verified and the app is asked
for some home pages before the one pointer is switched, and old generations beyond the last few are
removed last. By hand: give the id of a generation that is in the lake and passed the gate. To go
back to an earlier one, see the DAG `rollback`.

If it fails: [infra/runbooks/rebuild_index.md](/nocturne/runbooks/rebuild_index.md).
What was live before still is.
"""

from airflow.sdk import DAG, Asset, Param, task

from jobs.contract.assets import GENERATION_NAME, GENERATION_URI
from jobs.contract.generations import ID_PATTERN
from jobs.contract.names import SPARK_POOL
from plugins.alerting import watched
from plugins.operators import DEFAULT_ARGS, python_job, spark_job

GENERATION = Asset(name=GENERATION_NAME, uri=GENERATION_URI)


@task
def generations(*, params, triggering_asset_events=None) -> list[str]:
    """Return the generations to publish, oldest event first."""
    if params["generation"]:
        return [params["generation"]]
    events = (triggering_asset_events or {}).get(GENERATION, [])
    if not events:
        raise ValueError("no asset event started this run: give the Param `generation`")
    return list(dict.fromkeys(event.extra["generation"] for event in events))


with DAG(
    dag_id="rebuild_index",
    description="A trained generation -> Milvus and user vectors -> verified -> live",
    schedule=[GENERATION],
    catchup=False,
    # With one, Airflow keeps an event that comes while another waits out of every run.
    max_active_runs=16,
    default_args=DEFAULT_ARGS,
    **watched("rebuild_index"),
    params={
        "generation": Param(
            None,
            type=["null", "string"],
            pattern=f"^{ID_PATTERN}$",
            description="Generation to publish; empty: those of the asset events.",
        ),
    },
    tags=["model", "nightly"],
    doc_md=__doc__,
):
    wanted = generations()
    # Before the next training of a backfill, and each published before the next is built.
    indexed = spark_job(
        "build_index", "build_index", wanted, weight_rule="absolute", priority_weight=20
    )
    published = python_job(
        "publish",
        "publish",
        "{{ ti.xcom_pull(task_ids='generations') | join(' ') }}",
        pool=SPARK_POOL,
        weight_rule="absolute",
        priority_weight=30,
    )
    indexed >> published
