"""The floors of the house: who may import whom, and that every lock holds the same versions."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "infra/requirements"
OURS = ("jobs", "serving", "plugins", "dags", "infra")
NOT_IN_DAGS = ("pyspark", "delta", "pymilvus", "pymongo")
MAY_IMPORT = {
    "dags": ("dags", "plugins", "jobs.contract"),
    "plugins": ("plugins", "jobs.contract", "jobs.stores"),
    "serving": ("serving", "jobs.contract", "jobs.stores"),
    "jobs": ("jobs",),
    "jobs/contract": ("jobs.contract",),
    "jobs/stores": ("jobs.contract", "jobs.stores"),
    "jobs/imports": ("jobs.contract", "jobs.imports", "jobs.stores.objects", "jobs.stream"),
}
TRANSFORMS = [f"jobs.{p.parent.name}" for p in (ROOT / "jobs").glob("*/__init__.py")]
TRANSFORMS = [name for name in TRANSFORMS if name.replace(".", "/") not in MAY_IMPORT]
MAY_IMPORT |= {name.replace(".", "/"): ("jobs.contract", *TRANSFORMS) for name in TRANSFORMS}


def imports(file: Path) -> set[str]:
    """Return the full names of all that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_of_ours(folder):
    wrong = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in (ROOT / folder).rglob("*.py")
        for name in imports(file)
        if within(name, OURS) and not within(name, MAY_IMPORT[folder])
    }
    assert not wrong


def test_dags_start_spark_and_never_import_it():
    used = {name for file in (ROOT / "dags").glob("*.py") for name in imports(file)}
    assert not {name for name in used if within(name, NOT_IN_DAGS)}


def test_import_contracts_hold():
    """The contracts in pyproject.toml, which follow imports through other modules too."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("image", ["spark", "airflow", "serving"])
def test_an_image_has_the_versions_that_are_tested(image):
    tested = set((LOCKS / "dev.txt").read_text().splitlines())
    assert set((LOCKS / f"{image}.txt").read_text().splitlines()) <= tested


def test_locks_name_no_registry():
    assert not [lock.name for lock in LOCKS.glob("*.txt") if "://" in lock.read_text()]
