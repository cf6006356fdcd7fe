"""The stack heals, and ends without leaving anything behind: the last tests of a run."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from infra.local.install import ROOT
from infra.local.processes import members
from infra.local.stack import supervisords
from tests.integration.stack import make


def alive(stack) -> list[str]:
    return [" ".join(p.cmdline())[:120] for p in members(stack.local.state)]


def make_says(stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local.stack", *arguments],
        cwd=ROOT,
        env=os.environ | {"NOCTURNE_STATE": str(stack.local.state), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_status_is_0_only_when_every_part_is_healthy(stack):
    stack.end_alerts()  # of what earlier tests broke
    assert make_says(stack, "status").returncode == 0
    (redis,) = members(stack.local.state, "redis")
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        sick = make_says(stack, "status")
        assert sick.returncode == 1
        assert "redis             SICK" in sick.stdout
    finally:
        os.kill(redis.pid, signal.SIGCONT)


def test_one_part_is_restarted_and_an_unknown_one_is_told(stack):
    wrong = make_says(stack, "restart", "no-such-part")
    assert wrong.returncode == 1
    assert "PART=<one of" in wrong.stderr
    assert "stream" in wrong.stderr
    (before,) = members(stack.local.state, "redis")
    done = make_says(stack, "restart", "redis")
    assert done.returncode == 0, done.stderr
    (after,) = members(stack.local.state, "redis")
    assert after.pid != before.pid
    assert make_says(stack, "status").returncode == 0


def test_a_second_up_changes_nothing(stack):
    before = {p.pid for p in supervisords(stack.local)}
    make("up", stack.local)
    assert {p.pid for p in supervisords(stack.local)} == before


def test_down_leaves_no_process_and_no_port_after_kills(stack):
    killed = [
        p for name in ("af-scheduler", "stream", "app") for p in members(stack.local.state, name)
    ]
    for process in [*killed[::2], *supervisords(stack.local)]:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    time.sleep(2)
    assert alive(stack), "kills should have left orphans, or this test shows nothing"
    make("down", stack.local)
    assert alive(stack) == []
    for port in stack.local.ports() | stack.local.metrics_ports():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
