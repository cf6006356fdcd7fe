"""Which code made something: a generation, a backup."""

import shutil
import subprocess
from pathlib import Path

from jobs.contract.settings import Settings


def code_version(settings: Settings) -> str:
    """Return the version that the settings name, else the git commit, else `unknown`."""
    git = shutil.which("git")
    if settings.code_version or git is None:
        return settings.code_version or "unknown"
    command = [git, "describe", "--always", "--dirty", "--abbrev=12"]
    answer = subprocess.run(  # noqa: S603
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"
