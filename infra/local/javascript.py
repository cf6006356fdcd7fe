"""`make check`: our JavaScript, its types in JSDoc by TypeScript, the rest by Biome."""

import os
import subprocess
import sys

from infra.local.install import JAVASCRIPT, ROOT, VENV, javascript_tools

SOURCES = ["serving/static/js", "plugins/page_files/page.js"]


def main() -> int:
    """Run both; 1 when one of them found something."""
    tools = javascript_tools() / "node_modules/.bin"
    commands = (
        [str(tools / "tsc"), "--project", str(JAVASCRIPT)],
        [str(tools / "biome"), "lint", "--error-on-warnings", "--config-path", str(JAVASCRIPT)],
    )
    path = {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"}
    checks = [
        subprocess.run([*command, *more], cwd=ROOT, env=os.environ | path).returncode
        for command, more in zip(commands, ([], SOURCES), strict=True)
    ]
    return 1 if any(checks) else 0


if __name__ == "__main__":
    sys.exit(main())
