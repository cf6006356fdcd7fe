"""Load the catalogue: songs and users from `landing/` into the master lists and MongoDB.

Daily at 01:00 UTC. Reads every file below `landing/songs` and `landing/users` as it came
(CSV, pipe-separated, JSON lines, Parquet), maps and repairs its columns, and keeps each refused
row with its reason in `master/songs_rejected` and `master/users_rejected`. A repeat changes
nothing, and the play counts of songs are never touched. `playable` then writes down which songs
have audio in the media bucket: the others are left out of queues and lists.

If it fails: [infra/runbooks/etl_master_data.md](/nocturne/runbooks/etl_master_data.md).
"""

from airflow.sdk import DAG

from plugins.alerting import watched
from plugins.operators import DEFAULT_ARGS, nightly, python_job, spark_job

with DAG(
    dag_id="etl_master_data",
    description="Songs and users from landing/ into the master lists and MongoDB",
    schedule=nightly(1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    **watched("etl_master_data"),
    tags=["catalogue", "nightly"],
    doc_md=__doc__,
):
    (
        spark_job("songs", "etl_master_data")
        >> spark_job("users", "etl_users")
        >> python_job("playable", "mark_playable")
    )
