"""Care for the lake: erase, drop duplicates, join small files, vacuum, count, verify.

Daily at 00:30 UTC, before the ETL and training. `pause` holds the stream and `resume` lets it
go on, also when a step failed; should both be lost, the hold ends by itself. Every step can be
repeated and then changes nothing.

If it fails: [infra/runbooks/maintain_lake.md](/nocturne/runbooks/maintain_lake.md).
"""

from airflow.sdk import DAG

from plugins.alerting import watched
from plugins.operators import DEFAULT_ARGS, nightly, python_job, spark_job
from plugins.supervision import HoldStream, ResumeStream

HOLD_SECONDS = 3 * 3600

with DAG(
    dag_id="maintain_lake",
    description="Erasure, duplicates, compaction, vacuum, play counts, proof of the offsets",
    schedule=nightly(0, 30),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    **watched("maintain_lake"),
    tags=["lake", "nightly"],
    doc_md=__doc__,
):
    pause = HoldStream(task_id="pause", seconds=HOLD_SECONDS).as_setup()
    resume = ResumeStream(task_id="resume", trigger_rule="all_done").as_teardown(setups=pause)
    erase = python_job("erase", "erase", "--pending")
    maintain = spark_job("maintain", "maintain_lake")
    verify = spark_job("verify", "verify_lake")
    pause >> erase >> maintain >> verify >> resume
