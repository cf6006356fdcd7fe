"""Whatever is done twice, or killed and done again, is there once."""

import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from infra.local.install import ROOT
from jobs.contract.names import MASTER_SONGS, SONGS, USERS
from tests.integration.lake import raw_logs, rows
from tests.integration.stack import Stack


@pytest.fixture(scope="module")
def own(stack: Stack) -> dict[str, str]:
    """A lake and a database of this file's own, so that rows can be counted exactly."""
    return {"NOCTURNE_LAKE_BUCKET": "repeats", "NOCTURNE_MONGO_DB": "nocturne_repeats"}


@pytest.fixture(scope="module")
def settings(stack: Stack, own):
    changed = {"lake_bucket": "repeats", "mongo_db": "nocturne_repeats"}
    settings = stack.settings.model_copy(update=changed)
    stack.ensure_lake(settings)
    return settings


def test_an_import_killed_anywhere_and_repeated_has_every_row_once(stack, published, own, settings):
    history = published.world / "history.parquet"
    command = [sys.executable, "jobs/import_logs.py", str(history), "--format", "nocturne"]
    for seconds in (12, 20):  # while the session starts, and while rows are written
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=stack.env | own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    stack.done("import_logs", str(history), "--format", "nocturne", **own)
    assert "already imported" in stack.done(
        "import_logs", str(history), "--format", "nocturne", **own
    )
    ids = raw_logs(settings, columns=["event_id"])["event_id"].to_pylist()
    wanted = pq.read_table(history, columns=["event_id"])["event_id"].to_pylist()
    assert sorted(ids) == sorted(wanted)


def test_a_repeated_catalogue_changes_nothing(stack, published, own, settings, db):
    songs, users = published.world / "songs.jsonl", published.world / "users.jsonl"

    own_db = db.client[settings.mongo_db]

    def state() -> tuple[list, list, list]:
        master = rows(settings, MASTER_SONGS).to_pylist()
        return (
            sorted(own_db[SONGS].find(), key=lambda d: d["_id"]),
            sorted(own_db[USERS].find(), key=lambda d: d["_id"]),
            sorted(master, key=lambda d: d["track_id"]),
        )

    stack.done("etl_master_data", "--input", str(songs), **own)
    stack.done("etl_users", "--input", str(users), **own)
    own_db[SONGS].update_one({"_id": "song-00001"}, {"$set": {"plays_7d": 5}})
    first = state()
    assert [len(part) for part in first] == [300, 150, 300]
    stack.done("etl_master_data", **own)
    stack.done("etl_users", **own)
    assert state() == first
