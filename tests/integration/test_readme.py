"""The examples of the README, run as they stand against the running app."""

import os
import re
import subprocess

import pytest

from infra.local.install import ROOT
from jobs.contract.tokens import listener_token
from tests.integration.serving_app import Exact

SECTION = "## Asking for recommendations"


def examples() -> list[str]:
    """Return the shell examples of the section."""
    section = (ROOT / "README.md").read_text().split(SECTION)[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)


def test_there_are_examples():
    assert len(examples()) >= 5


@pytest.mark.parametrize("example", examples())
def test_an_example_works(published, stack, example):
    """Each curl answers well; songs and addresses are those of the tests' stack."""
    exact = Exact(stack.settings)
    track = next(t for t in exact.ids if t in exact.items and exact.artist[t])
    token = listener_token(stack.settings, "reader")
    lines = [line for line in example.splitlines() if not re.match(r"(TOKEN|APP)=", line)]
    script = re.sub(r"song-\d{5}", track, "\n".join(lines))
    script = re.sub(r"artist-\d{4}", str(exact.artist[track]), script)
    script = script.replace("curl ", "curl -sS --fail-with-body -w '\\n%{http_code}\\n' ")
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=os.environ | {"TOKEN": token, "APP": stack.app_url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    codes = re.findall(r"^(\d{3})$", ended.stdout, flags=re.MULTILINE)
    assert len(codes) == script.count("curl ")
    assert set(codes) <= {"200", "202"}
