"""Every master gives the same factors, also one that loses a worker or an executor meanwhile."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyspark
import pytest

from infra.local.install import ROOT

PROGRAM = Path(__file__).with_name("trained_on.py")
CLUSTER = "local-cluster[2,1,2048]"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A Spark home of this file's own: executors leave their folders in `work/`."""
    folder = tmp_path_factory.mktemp("spark")
    for entry in Path(pyspark.__file__).parent.iterdir():
        if entry.name != "work":
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.fixture(scope="module")
def trained(home, tmp_path_factory):
    def train(master, *lost):
        target = tmp_path_factory.mktemp("factors") / "factors.npz"
        own = {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable, "SPARK_HOME": str(home)}
        done = subprocess.run(
            [sys.executable, str(PROGRAM), master, str(target), *lost],
            env=os.environ | own,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert all(target.with_suffix(f".{what}").exists() for what in lost), "nothing was lost"
        return np.load(target)

    return train


def test_a_cluster_that_loses_a_worker_and_an_executor_gives_the_same_factors(trained):
    expected = trained("local[2]")
    found = trained(CLUSTER, "worker", "executor")
    for side in "uv":
        error = np.linalg.norm(found[side] - expected[side]) / np.linalg.norm(expected[side])
        assert error < 1e-4
    assert list(found["users"]) == list(expected["users"])
