"""What the documents say exists: commands, runbooks, links and settings."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.config import Local
from infra.site.strangers import strangers
from jobs.contract.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
RUNBOOKS = ROOT / "infra/runbooks"
THREATS = ROOT / "infra/docs/threat_model.md"
DOCUMENTS = [README, *ROOT.glob("[CS]*.md"), *(ROOT / "infra").rglob("*.md")]
DOCS = ROOT / "infra/docs"
DAGS = {dag.stem for dag in (ROOT / "dags").glob("*.py")}
ALERT = re.compile(r'\b(?:_?raise_?|Verdict)\(\s*"(\w+)"')
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][\w-]*):", MAKEFILE, re.MULTILINE))
HELP = dict(re.findall(r"^([a-z][\w-]*):.*?## (\S.*)$", MAKEFILE, re.MULTILINE))


def each_document(test):
    return pytest.mark.parametrize(
        "text", [pytest.param(d.read_text(), id=str(d.relative_to(ROOT))) for d in DOCUMENTS]
    )(test)


@each_document
def test_make_targets_exist(text):
    """In code only (after a backtick or at the start of a line): "make sure" is no command."""
    assert (
        set(re.findall(r"(?:`|^\s*(?:\$ )?)make ([a-z][a-z-]*\w)", text, re.MULTILINE)) <= TARGETS
    )


@each_document
def test_settings_exist(text):
    known = {PREFIX + name.upper() for model in (Settings, Local) for name in model.model_fields}
    assert set(re.findall(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b", text)) <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_linked_pictures_and_files_exist(document):
    """Pages and anchors are checked where the site is built, in `make check`."""
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    files = [x for x in links if "://" not in x and not x.endswith(".md")]
    assert not [x for x in files if not (document.parent / x).exists()]


def test_every_alert_is_in_the_table_of_what_breaks():
    code = [path for part in ("jobs", "plugins") for path in (ROOT / part).rglob("*.py")]
    raised = {name for path in code for name in ALERT.findall(path.read_text())}
    assert len(raised) >= 10
    files = {name: (ROOT / f"dags/{name}.py").read_text() for name in DAGS}
    watched = {name: text for name, text in files.items() if "**watched(" in text}
    raised |= {f"{name}_failed" for name in watched}
    raised |= {f"{name}_late" for name, text in watched.items() if "nightly=False" not in text}
    table = (DOCS / "broken.md").read_text().partition("**What listeners notice**")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == raised


def test_the_page_has_the_graph_of_the_nightly_dags(tmp_path):
    quiet = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    quiet |= {"NOCTURNE_NIGHT_BEGINS": "0"}  # the tests' stack has another
    command = [sys.executable, "-m", "infra.site.night"]
    read = subprocess.run(
        command, cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True, check=True
    )
    shown = re.search(r"```mermaid\n(.*?)\n```", (DOCS / "nights.md").read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == read.stdout.strip()


def test_what_a_page_fetches_from_other_hosts_is_found(tmp_path):
    page = '<a href="https://a.example/"></a><img src="x.png"><script src="//b.example/x.js">'
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "x.css").write_text("a { background: url('https://c.example/x.png') }")
    assert strangers(tmp_path) == {"//b.example/x.js", "https://c.example/x.png"}


def test_every_target_has_its_line_of_help():
    assert set(HELP) == TARGETS


def test_readme_lists_every_target():
    assert set(re.findall(r"^\| `make ([\w-]+)", README.read_text(), re.MULTILINE)) == TARGETS


def test_every_dag_has_a_runbook():
    assert DAGS
    assert {book.stem for book in RUNBOOKS.glob("*.md")} >= DAGS


def test_what_holds_a_threat_is_there():
    named = re.findall(r"`([\w./]+)`", THREATS.read_text())
    files = [name for name in named if "/" in name and not name.startswith("/")]
    assert len(files) >= 20
    # A name alone is a file of tests/unit.
    places = [(ROOT / name, ROOT / "tests/unit" / name) for name in named if name.endswith(".py")]
    assert not [path for path, other in places if not path.exists() and not other.exists()]
    assert not [name for name in files if not (ROOT / name).exists()]
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    tests = [name for name in named if name.startswith("test_") and not name.endswith(".py")]
    assert len(tests) >= 8
    assert not [name for name in tests if f"def {name}(" not in code]
