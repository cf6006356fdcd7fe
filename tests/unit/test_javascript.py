"""The player's pure modules, by the tests of Node's own runner beside the browser tests."""

import subprocess
from pathlib import Path

from infra.local.install import ROOT, VENV

TESTS = sorted(str(path) for path in (ROOT / "tests/browser/js").glob("*.test.mjs"))


def test_ledger_queue_and_outbox():
    command = [str(VENV / "bin/node"), "--test", "--test-reporter=spec", *TESTS]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-1000:]
    assert {Path(t).name for t in TESTS} == {"ledger.test.mjs", "outbox.test.mjs", "queue.test.mjs"}
    assert "fail 0" in ended.stdout
