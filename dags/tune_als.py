"""Search for better parameters of ALS, then let the gate decide on a generation trained with them.

Trigger it by hand, at an hour when nothing else trains; give it a cron in its schedule to repeat it
every week. `tune` tries parameters on the exam of the nightly evaluation and writes
`tuning/<study>/report.html` to the lake. Where it found something better, `train_als` is triggered
with it; only when that generation passes the gate do nightly trainings use the new parameters.
A repeat goes on where it was.

If it fails: [infra/runbooks/tune_als.md](/nocturne/runbooks/tune_als.md).
"""

from datetime import timedelta

from airflow.providers.standard.operators.python import ShortCircuitOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param

from plugins.alerting import watched
from plugins.operators import DEFAULT_ARGS, spark_job
from plugins.tuning import has_candidate

with DAG(
    dag_id="tune_als",
    description="Searches for better parameters of ALS",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    **watched("tune_als", nightly=False),
    params={
        "trials": Param(20, type="integer", minimum=1, maximum=500, description="complete trials"),
        "seed": Param(0, type="integer", minimum=0, description="another seed, another search"),
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date",
            description="Day (UTC) that ends the window; empty: the day of the run.",
        ),
    },
    tags=["model"],
    doc_md=__doc__,
):
    tune = spark_job(
        "tune",
        "tune_als",
        [
            "--trials={{ params.trials }}",
            "--seed={{ params.seed }}",
            "--as-of={{ params.as_of or dag_run.run_after.strftime('%Y-%m-%d') }}",
        ],
        execution_timeout=timedelta(hours=12),
    )
    better = ShortCircuitOperator(task_id="is_better", python_callable=has_candidate)
    train = TriggerDagRunOperator(
        task_id="train",
        trigger_dag_id="train_als",
        conf={
            "tuned": True,
            "as_of": "{{ params.as_of or dag_run.run_after.strftime('%Y-%m-%d') }}",
        },
    )
    tune >> better >> train
