"""Train ALS on the plays of the last 90 days, measure it, and let it pass or not.

Daily at 02:00 UTC. The day of the run ends the window, `[day - 90, day)`, so a repeat and a
backfill train on the same plays: `airflow backfill create --dag-id train_als --max-active-runs 1
--from-date 2026-11-19 --to-date 2026-11-21T12:00` trains three generations, in order.
With too little data the run fails and says what is missing. `evaluate` measures the candidate
beside the live generation and the baselines; `gate` rejects it, with a sentence for each reason,
when it is worse than the live one beyond noise, no better than popularity, broken or too small.
A rejection fails the run (or skips the rest, by NOCTURNE_GATE_REJECTS) and the live generation
stays; the Param `override` lets a person overrule it. With NOCTURNE_REQUIRE_APPROVAL, or in a
run with the Param `approval`, someone must also approve. What passed is announced as an event of
the asset `generation`, on which `rebuild_index` publishes it.

If it fails: [infra/runbooks/train_als.md](/nocturne/runbooks/train_als.md).
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, Param, task

from jobs.contract.assets import GENERATION_NAME, GENERATION_URI
from jobs.contract.settings import load_settings
from plugins.alerting import watched
from plugins.operators import DEFAULT_ARGS, GateOperator, PublishApproval, nightly, spark_job

GENERATION = Asset(name=GENERATION_NAME, uri=GENERATION_URI)
CHOSEN = "{{ ti.xcom_pull(task_ids='choose')['%s'] }}"


@task
def choose(*, dag_run, params) -> dict[str, str]:
    """Return the day that ends the window and the id of this run's generation."""
    from datetime import date

    from jobs.contract.generations import run_generation_id

    at = dag_run.logical_date or dag_run.run_after
    as_of = date.fromisoformat(params["as_of"]) if params["as_of"] else at.date()
    return {
        "as_of": as_of.isoformat(),
        "generation": run_generation_id(as_of, dag_run.run_after, dag_run.run_id),
    }


@task(outlets=[GENERATION])
def announce(generation: str, *, outlet_events) -> str:
    """Tell whoever waits for the asset which generation is there."""
    outlet_events[GENERATION].extra = {"generation": generation}
    return generation


with DAG(
    dag_id="train_als",
    description="ALS on the last 90 days of plays -> measured -> a generation that may be served",
    schedule=nightly(2),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    **watched("train_als"),
    params={
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            description="Day (UTC) that ends the window and is not part of it; "
            "empty: the day of the run.",
        ),
        "window_days": Param(
            load_settings().window_days,
            type="integer",
            minimum=1,
            maximum=3650,
            description="Days of plays to train on.",
        ),
        "tuned": Param(
            False,
            type="boolean",
            description="With the parameters that tune_als proposes, to see if they pass.",
        ),
        "override": Param(
            None,
            type=["null", "string"],
            maxLength=500,
            description="Why this generation may pass in spite of the gate's objections; recorded.",
        ),
        "approval": Param(
            load_settings().require_approval,
            type="boolean",
            description="A person must approve what passed the gate, under Required Actions.",
        ),
    },
    tags=["model", "nightly"],
    doc_md=__doc__,
):
    chosen = choose()
    trained = spark_job(
        "train",
        "train_als",
        [
            f"--as-of={CHOSEN % 'as_of'}",
            f"--generation={CHOSEN % 'generation'}",
            "--window-days={{ params.window_days }}",
            "{{ '--tuned' if params.tuned else '--no-tuned' }}",
        ],
    )
    evaluated = spark_job("evaluate", "evaluate", [f"--generation={CHOSEN % 'generation'}"])
    gated = GateOperator(
        task_id="gate",
        generation=CHOSEN % "generation",
        override="{{ params.override or '' }}",
        skip_rejected=load_settings().gate_rejects == "skip",
    )
    approved = PublishApproval(
        task_id="approve",
        subject=f"Publish {CHOSEN % 'generation'}?",
        body=f"It passed the gate: [its report](/nocturne/reports/{CHOSEN % 'generation'}).",
        # Someone who comes to work in the morning may answer; the next night must not wait.
        execution_timeout=None,
        response_timeout=timedelta(hours=20),
    )
    announced = announce(chosen["generation"])
    chosen >> trained >> evaluated >> gated >> approved >> announced
