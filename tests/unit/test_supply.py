"""What we take from others: the audit of the locks, and the list of what images are made of."""

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.local import sbom
from infra.local.advisories import (
    ACCEPTED,
    CANARY,
    KEPT_SECONDS,
    Acceptance,
    Unanswered,
    accepted,
    audit,
    judge,
    kept,
)
from infra.local.install import IVY, ROOT

TODAY = date(2026, 11, 26)
KNOWN = {CANARY: "CVE-2019-10906", "idna==3.6": "CVE-2024-3651"}


class Osv(BaseHTTPRequestHandler):
    """Answers as OSV's API does, from `known` of its server."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = query["package"]
        cve = self.server.known.get(f"{package['name']}=={query['version']}")  # type: ignore[attr-defined]
        events = [{"introduced": "0"}, {"fixed": "3.7"}]
        affected = {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        vuln = {"id": "PYSEC-1", "aliases": [cve], "summary": "It\nhangs", "affected": [affected]}
        body = json.dumps({"vulns": [vuln]} if cve else {}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def osv() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    server.known = KNOWN  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def at(server: ThreadingHTTPServer) -> tuple[str, ...]:
    url = f"http://127.0.0.1:{server.server_address[1]}/v1/query"
    return ("--vulnerability-service", "osv", "--osv-url", url)


def test_a_known_vulnerability_is_found_whoever_of_the_services_answers(osv, tmp_path):
    lock, other = tmp_path / "dev.txt", tmp_path / "tools.txt"
    lock.write_text("idna==3.6\nsix==1.17.0 ; python_version >= '3'\n")
    other.write_text("six==1.17.0\ntzdata==2026.6 ; sys_platform == 'win32'\n")
    away = ("--vulnerability-service", "osv", "--osv-url", "http://127.0.0.1:9/v1/query")
    done = audit([lock, other], [away, at(osv)])
    assert (done.service, done.packages, done.skipped) == ("osv", 2, [])
    (found,) = done.found
    assert asdict(found) == {
        "package": "idna",
        "version": "3.6",
        "ids": ["PYSEC-1", "CVE-2024-3651"],
        "fixed": ["3.7"],
        "about": "It hangs",
    }
    assert judge(done, [], TODAY) == [
        "idna 3.6: PYSEC-1, CVE-2024-3651, fixed in 3.7\n    It hangs"
    ]

    until = Acceptance("CVE-2024-3651", "idna", "no stranger's host names", TODAY)
    assert judge(done, [until], TODAY) == []
    assert judge(done, [replace(until, package="six")], TODAY)
    (over,) = judge(done, [until], TODAY + timedelta(days=1))
    assert "was accepted until 2026-11-26: no stranger's host names" in over

    path = tmp_path / "kept.json"
    path.write_text(json.dumps(asdict(done)))
    assert kept(path) == done
    path.write_text(json.dumps(asdict(replace(done, at=time.time() - KEPT_SECONDS - 1))))
    assert kept(path) is None


def test_who_knows_nothing_of_an_old_flaw_is_not_believed(osv, tmp_path):
    osv.known = {}  # as a mirror that has no advisories
    with pytest.raises(Unanswered, match=f"osv: knows no vulnerability of {CANARY}"):
        audit([tmp_path / "never-read.txt"], [at(osv)])


def test_nothing_is_accepted_without_a_reason_and_not_for_long():
    for entry in accepted(ACCEPTED):
        assert len(entry.reason) > 20, entry.id
        assert entry.until < datetime.now(UTC).date() + timedelta(days=190), entry.id


def test_an_acceptance_says_what_why_and_until_when(tmp_path):
    path = tmp_path / "accepted.toml"
    entry = '[[accepted]]\nid = "CVE-1"\npackage = "idna"\nreason = "none"\n'
    path.write_text(f"{entry}until = 2026-12-01\n")
    assert accepted(path) == [Acceptance("CVE-1", "idna", "none", date(2026, 12, 1))]
    path.write_text(entry)
    with pytest.raises(TypeError, match="until"):
        accepted(path)


def test_an_sbom_has_every_package_of_the_lock_and_every_jar(tmp_path):
    bom = json.loads(sbom.write("airflow", tmp_path, sbom.jar_components()).read_text())
    lock = (ROOT / "infra/requirements/airflow.txt").read_text()
    asked = {tuple(pin) for pin in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE)}
    listed = {(c["name"], c["version"]) for c in bom["components"]}
    assert len(asked) > 100
    assert asked <= listed
    purls = {c["purl"] for c in bom["components"]}
    ivy = re.findall(r'org="(.+?)" name="(.+?)" rev="(.+?)" conf="spark', IVY.read_text())
    assert len(ivy) >= 6
    assert {f"pkg:maven/{group}/{name}@{version}" for group, name, version in ivy} <= purls
    assert len(purls) == len(bom["components"])
    assert (bom["bomFormat"], bom["metadata"]["component"]["name"]) == ("CycloneDX", "nocturne")
