"""The scripts that the pages run: from npm once, then from the cache, never from a CDN."""

import hashlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from infra.local.install import CACHE, VENV, InstallError, run, say

SCRIPTS = {
    "mermaid.js": (
        "mermaid@12.3.0",
        "package/dist/mermaid.min.js",
        "336df803d87a38b70a01e736e666c8f7601d2ce42f5e47c8fafe5d721074b9a3",
    ),
    "iframe-worker.js": (
        "iframe-worker@1.0.4",
        "package/shim/index.js",
        "e8e412dbcfea9b7e31b5ffa288d7b6035915e714c542f4176a0cdbe262fc9609",
    ),
}
"""File of the site: package, file in it, and that file's SHA-256."""


def scripts() -> list[Path]:
    """Return the scripts, fetched when they are not there; raises InstallError."""
    return [_script(name, *SCRIPTS[name]) for name in SCRIPTS]


def _script(name: str, package: str, member: str, digest: str) -> Path:
    kept = CACHE / "site" / package / name
    if not kept.exists():
        say(f"{package} from npm, for the documentation site")
        path = {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"}
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as half:
            command = [str(VENV / "bin/npm"), "pack", package, "--pack-destination", half]
            run(command, f"npm pack {package}", os.environ | path)
            with tarfile.open(next(Path(half).glob("*.tgz"))) as packed:
                packed.extract(member, half, filter="data")
            made = Path(half, member)
            if hashlib.sha256(made.read_bytes()).hexdigest() != digest:
                raise InstallError(f"{package}: {member} is not the file that is expected")
            shutil.move(made, kept)
    return kept
