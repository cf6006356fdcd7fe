"""Run one of `jobs/` that needs no server, with the Spark configuration of the local stack."""

import os
import sys

from infra.local.config import load_local
from infra.local.install import ROOT
from infra.local.spark_conf import write_spark_conf


def configure_spark() -> None:
    """Let the sessions of this process, and of those it starts, be the local stack's."""
    state = load_local().state
    (state / "tmp").mkdir(parents=True, exist_ok=True)
    os.environ["SPARK_CONF_DIR"] = str(write_spark_conf(state))
    os.environ["PYSPARK_PYTHON"] = sys.executable  # its workers need the same packages


def main() -> None:
    """Become the job; the first argument is its name."""
    configure_spark()
    job = str(ROOT / f"jobs/{sys.argv[1]}.py")
    os.execv(sys.executable, [sys.executable, job, *sys.argv[2:]])


if __name__ == "__main__":
    main()
