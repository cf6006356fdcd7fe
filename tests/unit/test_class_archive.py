"""The archive of classes that Spark's JVMs start from."""

import os
import subprocess

import pytest

from infra.local.install import VENV, class_archive
from infra.local.spark_conf import write_spark_conf


def started(state) -> subprocess.CompletedProcess[str]:
    """Start Spark's JVM in such a way that it fails unless it can use its archive."""
    own = {
        "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
        "SPARK_CONF_DIR": str(state / "spark"),
        "SPARK_SUBMIT_OPTS": "-Xshare:on",
    }
    command = [VENV / "bin/spark-submit", "--version"]
    return subprocess.run(command, env=os.environ | own, capture_output=True, text=True)


@pytest.mark.skipif(
    not class_archive().exists(),
    reason="no archive of classes is here: `make setup` warned, and its log says why",
)
def test_spark_starts_from_the_archive(tmp_path):
    conf = write_spark_conf(tmp_path) / "spark-defaults.conf"
    assert started(tmp_path).returncode == 0
    # As it would be if a folder, or another jar, came first on the class path.
    conf.write_text(conf.read_text().replace("extraClassPath ", f"extraClassPath {tmp_path}:"))
    other = started(tmp_path)
    assert (other.returncode, "shared" in other.stderr + other.stdout) == (1, True)
