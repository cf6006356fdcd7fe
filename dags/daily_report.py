"""Write down how the morning found everything: one page a day.

Daily at 06:00 UTC, when the night is over. The page holds the cards of the operator's page as
they are at that moment, what is wrong first, and stays at `reports/daily/<day>.html` in the lake;
Airflow shows it at [/nocturne/daily/](/nocturne/daily/). A second run of the day writes it anew.

If it fails: [infra/runbooks/daily_report.md](/nocturne/runbooks/daily_report.md).
"""

from airflow.sdk import DAG

from plugins.alerting import watched
from plugins.operators import DEFAULT_ARGS, DailyReport, nightly

with DAG(
    dag_id="daily_report",
    description="One page a day of how everything is",
    schedule=nightly(6),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    **watched("daily_report", nightly=False),
    tags=["operators", "nightly"],
    doc_md=__doc__,
):
    DailyReport(task_id="report")
