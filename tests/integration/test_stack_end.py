"""The stack heals, and ends without leaving anything behind: the last tests of a run."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

from infra.local.config import stack_secrets
from infra.local.install import ROOT
from infra.local.processes import members
from infra.local.stack import supervisords
from tests.integration.stack import make


def alive(stack) -> list[str]:
    return [" ".join(p.cmdline())[:120] for p in members(stack.local.state)]


def status(stack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local.stack", "status"],
        cwd=ROOT,
        env=os.environ | {"NOCTURNE_STATE": str(stack.local.state), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_no_key_to_a_store_is_on_a_command_line_or_in_a_log(stack):
    state = stack.local.state
    stores = ("s3", "kafka", "redis", "milvus")
    keys = {n: s for n, s in stack_secrets(state).items() if n.startswith(stores)}
    logs = [p for f in ("logs", "airflow/logs") for p in (state / f).rglob("*.log*") if p.is_file()]
    shown = {str(path): path.read_text(errors="replace") for path in logs}
    shown |= {f"process {p.pid}": " ".join(p.cmdline()) for p in members(state)}
    assert any("kafka.Kafka" in text for text in shown.values())
    assert [(w, n) for w, text in shown.items() for n, key in keys.items() if key in text] == []


def test_status_is_0_only_when_every_part_is_healthy(stack):
    stack.end_alerts()  # of what earlier tests broke
    assert status(stack).returncode == 0
    (redis,) = members(stack.local.state, "redis")
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        sick = status(stack)
        assert sick.returncode == 1
        assert "redis             SICK" in sick.stdout
    finally:
        os.kill(redis.pid, signal.SIGCONT)


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
