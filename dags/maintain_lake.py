"""Care for the lake: join the small files of closed days, set play counts to the truth.

Daily at 00:30 UTC, before the ETL and training. The job pauses the stream through the lease
that every writer of the lake holds, and the stream goes on by itself afterwards, also when the
job fails or dies. A repeat changes nothing.

If it fails: infra/runbooks/maintain_lake.md.
"""

from airflow.sdk import DAG

from plugins.operators import DEFAULT_ARGS, spark_job

with DAG(
    dag_id="maintain_lake",
    description="Compaction of raw/logs, play counts from the lake",
    schedule="30 0 * * *",
    catchup=False,  # no start_date: a new installation waits for its first night
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["lake", "nightly"],
    doc_md=__doc__,
):
    spark_job("maintain", "maintain_lake")
