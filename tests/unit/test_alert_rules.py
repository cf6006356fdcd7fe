"""Prometheus takes the rules and the configuration, and the rules say what they should."""

import subprocess
from pathlib import Path

from infra.local.config import Local
from infra.local.install import prometheus
from infra.local.metrics import FILES, write_config
from jobs.contract.settings import Settings

PROMTOOL = str(prometheus("promtool"))


def promtool(*arguments: str) -> None:
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_valid():
    promtool("check", "rules", str(FILES / "rules.yml"))


def test_the_rules_say_what_they_should():
    promtool("test", "rules", str(Path(__file__).with_name("rules_test.yml")))


def test_the_configuration_of_compose_is_valid():
    promtool("check", "config", "--syntax-only", str(FILES / "prometheus.yml"))


def test_the_configuration_of_the_local_stack_is_valid(tmp_path):
    write_config(Local(state=tmp_path), Settings(token_secret="s" * 32))
    promtool("check", "config", str(tmp_path / "metrics/prometheus.yml"))
