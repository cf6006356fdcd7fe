"""What the local stack says before it starts anything."""

import os
import socket
import subprocess
import sys

import pytest

from infra.local.config import Local, settings_environment
from infra.local.install import ROOT
from infra.local.programs import programs


def up(tmp_path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local.stack", "up"],
        cwd=ROOT,
        env=os.environ | {"NOCTURNE_STATE": str(tmp_path), "PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_busy_port_is_named_with_its_part_and_setting(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = up(tmp_path, NOCTURNE_APP_PORT=str(port))
    assert said.returncode == 1
    assert f"port {port} (app) is in use" in said.stderr
    assert "NOCTURNE_APP_PORT" in said.stderr
    assert not (tmp_path / "supervisord.pid").exists()


def test_missing_java_is_named(tmp_path):
    said = up(tmp_path, PATH="/nowhere")
    assert said.returncode == 1
    assert "Java 17 or newer is needed" in said.stderr


def test_a_wrong_setting_is_named(tmp_path):
    said = up(tmp_path, NOCTURNE_REDIS_PORT="many")
    assert said.returncode == 1
    assert "NOCTURNE_REDIS_PORT" in said.stderr


@pytest.mark.parametrize("priority", [10, 20, 30, 40, 50])
def test_stores_stop_after_what_uses_them(monkeypatch, priority):
    monkeypatch.setenv("NOCTURNE_MINIO", "minio")
    found = [p for p in programs(Local()) if p.priority == priority]
    assert found
    stores = {"mongo", "redis", "minio", "kafka", "milvus"}
    assert all((p.name in stores) == (priority == 10) for p in found)


@pytest.mark.parametrize(
    ("given", "address"),
    [(None, "http://127.0.0.1:8123"), ("http://other", "http://127.0.0.1:8123"), ("", "")],
)
def test_the_app_is_asked_before_a_switch_unless_that_is_switched_off(
    tmp_path, monkeypatch, given, address
):
    monkeypatch.delenv("NOCTURNE_SERVING_URL", raising=False)
    if given is not None:
        monkeypatch.setenv("NOCTURNE_SERVING_URL", given)
    found = settings_environment(Local(state=tmp_path, app_port=8123))
    assert found["NOCTURNE_SERVING_URL"] == address
