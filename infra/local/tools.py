"""Tools of the supply chain, each in an environment of its own, so that no lock carries them."""

import sys

from infra.local.install import ROOT, VENV

TOOLS_LOCK = ROOT / "infra/requirements/supply.txt"


def tool(package: str, *command: str) -> list[str]:
    """Return what runs a command of a package, in the versions of its lock."""
    uv = [str(VENV / "bin/uv"), "tool", "run", "--quiet", "--isolated", "--python", sys.executable]
    return [*uv, "--constraints", str(TOOLS_LOCK), "--from", package, *command]
