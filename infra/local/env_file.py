"""`make secrets`: infra/.env for compose, in which every secret is made, none is anybody else's."""

import base64
import os
import secrets
import sys
from pathlib import Path

from infra.local.install import ROOT

EXAMPLE = ROOT / "infra/env.example"
TARGET = ROOT / "infra/.env"
PLACEHOLDER = "change-me"
FERNET = "AIRFLOW_FERNET_KEY"


def with_secrets(example: str) -> str:
    """Return the text of an env file with a new secret in place of each placeholder."""
    return "".join(_line(line) for line in example.splitlines(keepends=True))


def _line(line: str) -> str:
    name, equals, value = line.rstrip("\n").partition("=")
    if line.startswith("#") or not equals or value != PLACEHOLDER:
        return line
    # Letters and digits, as some become part of an address; Airflow wants a Fernet key.
    fernet = base64.urlsafe_b64encode(os.urandom(32)).decode()
    return f"{name}={fernet if name == FERNET else secrets.token_hex(24)}\n"


def write(target: Path, text: str) -> None:
    """Write a file that only its owner reads; raises FileExistsError where there is one."""
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)


def main() -> int:
    """Write the file; 1, and nothing is changed, where there is one."""
    try:
        write(TARGET, with_secrets(EXAMPLE.read_text()))
    except FileExistsError:
        print(
            f"secrets: {TARGET.relative_to(ROOT)} is there already, and what runs knows its "
            "secrets: move it away first to have others",
            file=sys.stderr,
        )
        return 1
    print(f"secrets: wrote {TARGET.relative_to(ROOT)}; keep a copy of it in a safe place")
    return 0


if __name__ == "__main__":
    sys.exit(main())
