"""`make check`: known vulnerabilities of the locked Python packages, by pip-audit.

PyPI is asked, else OSV. Where neither answers as it should, that is said and nothing fails: no
answer is no all-clear. An answer is kept for a day.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from infra.local.install import CACHE, LOCK, ROOT
from infra.local.tools import TOOLS_LOCK, tool
from jobs.contract.errors import NocturneError

LOCKS = (LOCK, TOOLS_LOCK)
"""The development lock has all that the images' locks have: tests/unit/test_layout.py."""

ACCEPTED = ROOT / "infra/requirements/accepted.toml"
SERVICES = (("--vulnerability-service", "pypi"), ("--vulnerability-service", "osv"))
CANARY = "jinja2==2.10"
"""Every service knows vulnerabilities of it. pip-audit says that a package has none where a mirror
of PyPI does not answer at all."""

KEPT_SECONDS = 24 * 3600
CANARY_SECONDS, ALL_SECONDS = 30, 600
SHOWN = 160


class Unanswered(NocturneError):
    """A service of advisories does not answer as it should."""


@dataclass(frozen=True)
class Advisory:
    """A known vulnerability of a locked package: `ids` are all its names, `fixed` may be empty."""

    package: str
    version: str
    ids: list[str]
    fixed: list[str]
    about: str

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no fix yet"
        named = f"{self.package} {self.version}: {', '.join(self.ids)}, {fixed}"
        return f"{named}\n    {self.about[:SHOWN]}"


@dataclass(frozen=True)
class Audit:
    """What one service knew of `packages`; it was not asked, or did not say, about `skipped`."""

    at: float
    service: str
    packages: int
    skipped: list[str]
    found: list[Advisory]


@dataclass(frozen=True)
class Acceptance:
    """A vulnerability that we live with until a day, that day included."""

    id: str
    package: str
    reason: str
    until: date

    def covers(self, advisory: Advisory) -> bool:
        return self.package == advisory.package and self.id in advisory.ids


def audit(locks: Sequence[Path], services: Sequence[Sequence[str]]) -> Audit:
    """Ask the first service that answers; raises Unanswered, with what each of them said."""
    refused = []
    for service in services:
        try:
            _try(service)
            return _all(locks, service)
        except Unanswered as error:
            refused.append(f"{service[1]}: {error}")
    raise Unanswered("; ".join(refused))


def kept(path: Path) -> Audit | None:
    """Return the answer of less than a day ago, if there is one."""
    if not path.exists():
        return None
    raw = json.loads(path.read_text())
    found = Audit(**raw | {"found": [Advisory(**advisory) for advisory in raw["found"]]})
    return found if time.time() - found.at < KEPT_SECONDS else None


def accepted(path: Path) -> list[Acceptance]:
    """Return what is accepted; raises TypeError where an entry has not all four fields."""
    return [Acceptance(**entry) for entry in tomllib.loads(path.read_text()).get("accepted", [])]


def judge(done: Audit, entries: Sequence[Acceptance], today: date) -> list[str]:
    """Print what was found; return a sentence for everything that must not stay as it is."""
    wrong = []
    for advisory in done.found:
        entry = next((e for e in entries if e.covers(advisory)), None)
        if entry is None:
            wrong.append(str(advisory))
        elif entry.until < today:
            wrong.append(f"{advisory}\n    was accepted until {entry.until}: {entry.reason}")
        else:
            print(f"advisories: accepted until {entry.until}: {advisory}\n    {entry.reason}")
    for entry in entries:
        if not any(entry.covers(advisory) for advisory in done.found):
            print(f"advisories: {entry.id} is accepted and not found any more: remove the entry")
    return wrong


def _try(service: Sequence[str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as lock:
        lock.write(f"{CANARY}\n")
        lock.flush()
        (package,) = _ask([Path(lock.name)], service, CANARY_SECONDS)
    if not package.get("vulns"):
        raise Unanswered(package.get("skip_reason") or f"knows no vulnerability of {CANARY}")


def _all(locks: Sequence[Path], service: Sequence[str]) -> Audit:
    print(f"advisories: asking {service[1]} about every package (once a day)", flush=True)
    packages = _ask(locks, service, ALL_SECONDS)
    found = [
        Advisory(p["name"], p["version"], [v["id"], *v["aliases"]], v["fix_versions"], _about(v))
        for p in packages
        for v in p.get("vulns", [])
    ]
    skipped = [p["name"] for p in packages if "skip_reason" in p]
    return Audit(time.time(), service[1], len(packages), skipped, found)


def _about(vulnerability: dict[str, Any]) -> str:
    return " ".join(str(vulnerability.get("description", "")).split())


def _ask(locks: Sequence[Path], service: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """Return pip-audit's word about each package; raises Unanswered."""
    files = [argument for lock in locks for argument in ("--requirement", str(lock))]
    command = ["pip-audit", *service, *files, "--no-deps", "--disable-pip", "--format", "json"]
    command += ["--progress-spinner", "off", "--timeout", "5"]
    try:
        done = subprocess.run(
            tool("pip-audit", *command), capture_output=True, text=True, timeout=seconds
        )
        return list(json.loads(done.stdout)["dependencies"])
    except subprocess.TimeoutExpired:
        raise Unanswered(f"took longer than {seconds} s") from None
    except ValueError:
        said = done.stderr.strip().splitlines() or ["pip-audit said nothing"]
        raise Unanswered(said[-1][:SHOWN]) from None


def latest() -> Audit:
    """Return the answer of today, asked for where there is none yet; raises Unanswered."""
    locked = b"".join(lock.read_bytes() for lock in LOCKS)
    path = CACHE / f"advisories-{hashlib.sha256(locked).hexdigest()[:12]}.json"
    done = kept(path)
    if done is None:
        done = audit(LOCKS, SERVICES)
        half = path.with_suffix(f".{os.getpid()}")
        half.write_text(json.dumps(asdict(done)))
        half.rename(path)
    return done


def main() -> int:
    """Return 1 where a vulnerability is known that nobody has accepted, or not any more."""
    entries = accepted(ACCEPTED)
    try:
        done = latest()
    except Unanswered as error:
        print(
            "advisories: WARNING: NOTHING WAS AUDITED. No service of advisories answers here, so "
            f"nobody knows whether a locked package is vulnerable.\nadvisories: {error}",
            file=sys.stderr,
        )
        return 0
    wrong = judge(done, entries, datetime.now(UTC).date())
    if done.skipped:
        names = ", ".join(done.skipped)
        print(f"advisories: WARNING: not audited, {done.service} says nothing: {names}")
    when = f"{datetime.fromtimestamp(done.at, UTC):%Y-%m-%d %H:%M} UTC"
    packages = done.packages - len(done.skipped)
    print(f"advisories: {packages} packages, {done.service}, {when}: {len(wrong)} to act on")
    for said in wrong:
        print(f"advisories: ERROR: {said}", file=sys.stderr)
    if wrong:
        file = ACCEPTED.relative_to(ROOT)
        print(f"advisories: raise the pins (make lock), or accept it in {file}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
