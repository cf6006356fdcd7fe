"""What the documents say exists: commands, runbooks, links and settings."""

import re
from pathlib import Path

import pytest

from infra.local.config import Local
from jobs.contract.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
RUNBOOKS = ROOT / "infra/runbooks"
THREATS = ROOT / "infra/docs/threat_model.md"
DOCUMENTS = [README, *ROOT.glob("[CS]*.md"), *(ROOT / "infra").rglob("*.md")]
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
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    lost = [x for x in links if "://" not in x and not (document.parent / x).exists()]
    assert not lost


def test_every_target_has_its_line_of_help():
    assert set(HELP) == TARGETS


def test_readme_lists_every_target():
    assert set(re.findall(r"^\| `make ([\w-]+)", README.read_text(), re.MULTILINE)) == TARGETS


def test_every_dag_has_a_runbook():
    dags = {dag.stem for dag in (ROOT / "dags").glob("*.py")}
    assert dags
    assert {book.stem for book in RUNBOOKS.glob("*.md")} >= dags


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
