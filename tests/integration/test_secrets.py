"""No secret in a log, a document, a report or on a command line, after all that went before."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
import requests
from bson import json_util

from infra.local.config import stack_secrets
from infra.local.processes import members
from infra.local.stack import supervisords
from jobs.contract import names
from jobs.contract.tokens import listener_token, service_key
from jobs.stores.objects import Objects

TOKEN = rb"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
"""A token of ours, or of Airflow's."""
SIGNATURE = rb"X-Amz-Signature=[0-9a-f]{16}"
"""An address that gives a song's audio to whoever has it."""
SHORTEST = 12


class Search:
    """Finds secrets by name, so that a failure can be shown."""

    def __init__(self, secrets: dict[str, str]) -> None:
        known = {name: value for name, value in secrets.items() if len(value) >= SHORTEST}
        assert known.keys() == secrets.keys(), "too short to be looked for"
        self._names = {value.encode(): name for name, value in known.items()}
        self._any = re.compile(b"|".join([*map(re.escape, self._names), TOKEN, SIGNATURE]))

    def text(self, place: str, text: bytes) -> list[str]:
        """Return `place:line: what` for each secret in the text, without the secret."""
        found = self._any.finditer(text)
        lines = [(text.count(b"\n", 0, at.start()) + 1, self._said(at)) for at in found]
        return [f"{place}:{line}: {said}" for line, said in lines]

    def _said(self, at: re.Match[bytes]) -> str:
        return self._names.get(at[0], "a token" if at[0].startswith(b"eyJ") else "a signature")


@pytest.fixture(scope="module")
def search(stack) -> Search:
    return Search(stack_secrets(stack.local.state))


@pytest.fixture(scope="module")
def used(published, stack) -> list[str]:
    """Tokens and passwords that were brought to every door, the right ones and the wrong ones."""
    token = listener_token(stack.settings, "logged")
    key = service_key(stack.settings, "prometheus", ("metrics",), 1)
    stack.airflow()
    for good in (token, key, f"{token}x"):
        bearer, cookie = {"Authorization": f"Bearer {good}"}, {"Cookie": f"nocturne_token={good}"}
        for path in ("/recommend/home", "/metrics", "/me", f"/search?q={quote(good[:90])}"):
            for headers in (bearer, cookie):
                requests.get(stack.app_url + path, headers=headers, timeout=30)
        form = {"token": good}
        requests.post(f"{stack.app_url}/signin", form, timeout=30, allow_redirects=False)
        requests.get(f"{stack.env['AIRFLOW_URL']}/nocturne/cards", headers=bearer, timeout=30)
    song = requests.get(f"{stack.app_url}/songs?limit=1", timeout=30).json()["songs"][0]["track_id"]
    requests.get(f"{stack.app_url}/songs/{song}/stream", timeout=30)
    return [token, key]


def logs(state: Path) -> Iterator[Path]:
    for folder in ("logs", "airflow/logs"):
        yield from (path for path in (state / folder).rglob("*") if path.is_file())


def test_logs(stack, search, used):
    found, files = [], 0
    for path in logs(stack.local.state):
        text = path.read_bytes()
        files += bool(text)
        found += search.text(str(path.relative_to(stack.local.state)), text)
        assert not [token for token in used if token.encode() in text]
    assert files >= 20, "the stack has hardly worked: this would show nothing"
    assert b'"answered"' in (stack.local.state / "logs/app.log").read_bytes()
    assert not found, "\n".join(found)


def test_airflows_database(stack, search, used):
    """Connections, XComs, rendered fields of tasks; not the tokens that ended sessions leave."""
    text = (stack.local.state / "airflow/airflow.db").read_bytes()
    assert b"train_als" in text
    assert not search.text("airflow.db", text)


def test_documents(search, db, used):
    found = []
    collections = db.list_collection_names()
    assert names.GENERATIONS in collections
    for name in collections:
        for document in db[name].find({}):
            found += search.text(f"{name} {document['_id']}", json_util.dumps(document).encode())
    assert not found, "\n".join(found)


def test_what_is_published_in_the_lake(stack, search, used):
    """Manifests, reports and pages. Event logs hold what clients send, not what we know."""
    objects, bucket = Objects(stack.settings), stack.settings.lake_bucket
    keys = [k for prefix in (names.MODELS, "reports") for k in objects.keys(bucket, f"{prefix}/")]
    shown = [key for key in keys if key.endswith((".json", ".html"))]
    assert any(key.endswith("manifest.json") for key in shown)
    found = [f for key in shown for f in search.text(key, objects.get(bucket, key))]
    assert not found, "\n".join(found)


def test_command_lines(stack, search):
    found, looked_at = [], 0
    for process in [*members(stack.local.state), *supervisords(stack.local)]:
        with suppress(psutil.Error):  # it has ended meanwhile
            found += search.text(process.name(), "\0".join(process.cmdline()).encode())
            looked_at += 1
    assert looked_at >= 10
    assert not found, "\n".join(found)


def test_only_their_owner_reads_the_files_that_hold_secrets(stack, search):
    state = stack.local.state
    holding = [
        path
        for path in state.glob("*")
        if path.is_file() and search.text(path.name, path.read_bytes())
    ]
    assert {"secrets.json", "supervisord.conf"} <= {path.name for path in holding}
    assert not [path.name for path in holding if path.stat().st_mode & 0o077]


def test_a_secret_would_be_found_and_is_not_shown():
    secrets = {"s3": "0f" * 24, "airflow_op": "aB_-" * 4}
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl_-"
    lines = ["fine", json.dumps({"key": secrets["s3"]}), f"x{secrets['airflow_op']}", token]
    lines.append("GET /media/a.mp3?X-Amz-Signature=" + "a1" * 32)
    found = Search(secrets).text("app.log", "\n".join(lines).encode())
    assert found == [
        "app.log:2: s3",
        "app.log:3: airflow_op",
        "app.log:4: a token",
        "app.log:5: a signature",
    ]
