"""Show the same listeners' lists from two generations side by side, for a person to judge.

Trigger it with `a` and `b`, or without for what is live (or was live before) and the newest one.
The page is `models/<b>/compare_<a>.html` in the lake: what came, what went, and whose songs they
are. The log has the table.

If it fails: [infra/runbooks/compare_generations.md](/nocturne/runbooks/compare_generations.md).
"""

from airflow.sdk import DAG, Param

from jobs.contract.generations import ID_PATTERN
from plugins.alerting import watched
from plugins.operators import DEFAULT_ARGS, python_job

GENERATION = {"type": ["null", "string"], "pattern": f"^{ID_PATTERN}$"}

with DAG(
    dag_id="compare_generations",
    description="Two generations' lists for the same listeners, side by side",
    schedule=None,
    catchup=False,
    default_args=DEFAULT_ARGS,
    **watched("compare_generations", nightly=False),
    params={
        "a": Param(None, description="the one before; empty: live", **GENERATION),
        "b": Param(None, description="the one after; empty: the newest", **GENERATION),
        "listeners": Param(20, type="integer", minimum=1, maximum=200, description="how many"),
        "seed": Param(0, type="integer", description="another seed, other listeners"),
    },
    tags=["model"],
    doc_md=__doc__,
):
    python_job(
        "compare",
        "compare",
        "{% if params.a %}--a {{ params.a }} {% endif %}{% if params.b %}--b {{ params.b }} "
        "{% endif %}--listeners {{ params.listeners }} --seed {{ params.seed }}",
    )
