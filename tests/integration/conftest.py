"""The whole stack, started once per test run on ports and a folder of its own."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.install import ROOT
from tests.integration.stack import SETTINGS, Stack, free_ports, make, stack_of

STATE = Path(os.environ.get("NOCTURNE_TEST_STATE", ROOT / ".nocturne-test"))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Every server of the stack, healthy and empty."""
    os.environ.update(SETTINGS)
    with STATE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second test run waits instead of taking the folder
        local = free_ports(STATE)
        make("down", local)
        shutil.rmtree(STATE, ignore_errors=True)
        make("up", local)
        yield stack_of(local)
        make("down", local)
