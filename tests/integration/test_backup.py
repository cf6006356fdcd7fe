"""Back up, wipe, restore: the same home pages, and nobody who was erased meanwhile."""

import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from xmlrpc.client import ServerProxy

import psutil
import pytest
import redis
import requests
from bson import Binary, Decimal128, Int64, ObjectId

from infra.local.install import ROOT
from jobs.contract import names
from jobs.contract.backups import DOCUMENTS, RECENT
from jobs.contract.erasure import listener_hash
from jobs.contract.tokens import listener_token
from jobs.stores.backups import backups, read_backup
from jobs.stores.cache import KINDS, Cache
from jobs.stores.dumps import Dumps
from jobs.stores.erasures import Erasures
from jobs.stores.objects import Objects
from jobs.stores.vectors import Vectors
from tests.integration.serving_app import App

LISTENERS = 100
ANN, BOB = PEOPLE = ("backup-ann", "backup-bob")
"""Known by a ban and a play alone: that they go changes nothing for other tests."""


@pytest.fixture(scope="module")
def app(stack):
    return App(stack)


def home(app, generation, user):
    """Return strategy and songs of a home page, once the app answers whole and from this one."""
    deadline = time.monotonic() + 30
    while True:
        answer = app.get("/recommend/home", user).json()
        if (answer["generation"], answer["degraded"]) == (generation, []):
            return answer["strategy"], [song["track_id"] for song in answer["songs"]]
        assert time.monotonic() < deadline, answer
        time.sleep(0.5)


def homes(app, generation, users):
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(users, pool.map(lambda u: home(app, generation, u), users), strict=True))


def listen(app, user, track):
    event = {
        "event_id": uuid.uuid4().hex,
        "track_id": track,
        "action": "listen",
        "timestamp": int(time.time() * 1000),
        "duration": 200,
        "total_duration": 240,
    }
    assert app.post("/events", {"events": [event]}, user).status_code == 202


@pytest.fixture(scope="module")
def before(stack, app, generations, published, db):
    """The home pages of listeners, a part of whom played something today."""
    generation = generations.live().generation
    field = f"vectors.{generation}"
    found = db[names.USERS].find({field: {"$exists": True}}, {"_id": 1}).sort("_id")
    users = [d["_id"] for d in found.limit(LISTENERS)]
    assert len(users) == LISTENERS
    for user in users[::5]:
        listen(app, user, home(app, generation, user)[1][0])
    for user in PEOPLE:
        banned, played, *_ = home(app, generation, user)[1]
        assert app.ask("PUT", f"/songs/{banned}/feedback", user, json={"value": "ban"}).ok
        listen(app, user, played)
    yield generation, homes(app, generation, users)
    with closing(Cache(stack.settings)) as cache:
        cache.forget(users[::5])  # others expect those whom nobody heard play today


@pytest.fixture(scope="module", autouse=True)
def nobody_is_left(stack, db):
    """Take the listeners of these tests away again."""
    yield
    for user in PEOPLE:
        db[names.USERS].delete_one({"_id": user})
        db[names.ERASURES].delete_one({"_id": listener_hash(user)})
        db[names.REVOKED_TOKENS].delete_one({"_id": f"subject {listener_hash(user)}"})
    with closing(Cache(stack.settings)) as cache:
        cache.forget(PEOPLE)


@pytest.fixture(scope="module")
def folder(stack, before, tmp_path_factory):
    root = tmp_path_factory.mktemp("backups")
    print(stack.done("backup", "--to", str(root), "--keep", "1"))
    (made,) = backups(root)
    return made


def in_redis(settings, user):
    with closing(redis.Redis.from_url(settings.redis_url, decode_responses=True)) as client:
        return [kind for kind in KINDS if client.exists(f"{kind}{user}")]


def test_a_backup_has_everything_and_only_its_owner_may_read_it(stack, folder, db, before):
    parts = read_backup(folder).parts
    documents = {Path(p).stem: x.items for p, x in parts.items() if p.startswith(DOCUMENTS)}
    assert {names.SONGS, names.USERS, names.GENERATIONS} < documents.keys()
    assert documents.keys().isdisjoint({names.LEASES, names.STREAM_HEALTH, names.SERVING_STATE})
    assert documents[names.USERS] == db[names.USERS].count_documents({})
    objects = Objects(stack.settings).keys(stack.settings.lake_bucket, f"{names.MODELS}/")
    assert {o for o in objects if not o.endswith("/")} == {p for p in parts if p in objects}
    assert parts[RECENT].items > LISTENERS / 5
    assert read_backup(folder).live == before[0]
    assert read_backup(folder).lake[names.RAW_LOGS].version > 0
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    held = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    secrets = (stack.settings.s3_secret_key, stack.settings.token_secret)
    assert not [secret for secret in secrets if secret.encode() in held]


@pytest.fixture
def own(stack, db):
    """A database of a test's own, and what dumps it."""
    settings = stack.settings.model_copy(update={"mongo_db": "nocturne_backup"})
    with closing(Dumps(settings)) as dumps:
        yield db.client[settings.mongo_db], dumps
    db.client.drop_database(settings.mongo_db)


def test_every_type_comes_back_byte_for_byte(own, tmp_path):
    database, dumps = own
    values = (1, Int64(1), 1.0, Decimal128("1.10"), "ü", None, True, b"x", Binary(b"x", 5))
    values += (ObjectId(), datetime(2026, 1, 1, tzinfo=UTC), [], {}, {"b": [1.5], "a": Int64(2)})
    database[names.USERS].insert_many({"_id": n, "v": v} for n, v in enumerate(values))
    assert dumps.write(names.USERS, tmp_path / "first") == len(values)
    database[names.USERS].insert_one({"_id": "later"})
    assert dumps.replace(names.USERS, tmp_path / "first") == len(values)
    assert dumps.write(names.USERS, tmp_path / "again") == len(values)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "first").read_bytes()


def test_the_newer_of_two_erasures_stays(own, tmp_path):
    database, dumps = own
    asked = {"applied": 5, "older": 5, "only here": 5, "newer": 8}
    erasures = database[names.ERASURES]
    erasures.insert_many({"_id": n, "requested_at": at, "user_id": n} for n, at in asked.items())
    dumps.write(names.ERASURES, tmp_path / "erasures")
    # What happened after the backup.
    erasures.delete_one({"_id": "only here"})
    erasures.update_one({"_id": "applied"}, {"$set": {"applied_at": 6}, "$unset": {"user_id": ""}})
    erasures.update_one({"_id": "older"}, {"$set": {"requested_at": 7}})
    erasures.update_one({"_id": "newer"}, {"$set": {"requested_at": 1}})
    erasures.insert_one({"_id": "new", "requested_at": 9, "user_id": "new"})
    assert dumps.merge(names.ERASURES, tmp_path / "erasures") == 2
    found = {d["_id"]: (d["requested_at"], "user_id" in d) for d in erasures.find()}
    assert found == {
        "applied": (5, False),
        "older": (7, True),
        "only here": (5, True),
        "newer": (8, True),
        "new": (9, True),
    }


def test_a_stack_that_is_not_empty_is_refused(stack, folder, generations):
    pointer = generations.live()
    refused = stack.run(["python", "jobs/restore.py", str(folder)])
    assert refused.returncode == 1
    assert "this stack is not empty" in refused.stderr
    assert "--replace" in refused.stderr
    assert generations.live() == pointer


def test_whoever_was_erased_since_is_not_brought_back(stack, folder, app, db, before):
    generation, pages = before
    token = {"Authorization": f"Bearer {listener_token(stack.settings, ANN)}"}
    assert requests.get(f"{app.url}/me", headers=token, timeout=30).status_code == 200
    assert db[names.USERS].count_documents({"_id": {"$in": PEOPLE}}) == 2
    assert app.ask("POST", "/me/erase", ANN).ok  # waits for the night
    with closing(Erasures(stack.settings)) as erasures:
        erasures.mark_applied(erasures.request(BOB), {})
    print(stack.done("restore", str(folder), "--replace"))
    assert db[names.USERS].count_documents({"_id": {"$in": PEOPLE}}) == 0
    assert [in_redis(stack.settings, user) for user in PEOPLE] == [[], []]
    assert db[names.ERASURES].count_documents({"_id": {"$in": [*map(listener_hash, PEOPLE)]}}) == 2
    (waiting,) = db[names.ERASURES].find({"user_id": ANN})
    assert "applied_at" not in waiting
    assert requests.get(f"{app.url}/me", headers=token, timeout=30).status_code == 401
    assert homes(app, generation, pages) == pages


def wipe(settings, db):
    """Lose everything that a backup has."""
    db.client.drop_database(settings.mongo_db)
    Objects(settings).delete_below(settings.lake_bucket, f"{names.MODELS}/")
    with closing(Vectors(settings)) as vectors:
        vectors.drop_alias()
        for generation in vectors.generations():
            vectors.drop(generation)
    with closing(redis.Redis.from_url(settings.redis_url)) as client:
        client.flushdb()


def forget_in_memory(stack):
    """Replace the app's workers: what they hold in memory must not hide what was lost."""
    supervisor = ServerProxy(stack.settings.supervisor_url).supervisor
    master = psutil.Process(supervisor.getProcessInfo("app")["pid"])
    old = {worker.pid for worker in master.children()}
    master.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 30
    while old & {worker.pid for worker in master.children()}:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def killed_on_its_way(stack, folder):
    """Kill a restore once it has written documents and objects."""
    command = [sys.executable, "jobs/restore.py", str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, env=stack.env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert any(line.startswith(f"restore: {names.MODELS}/") for line in process.stdout)
        process.kill()


def test_a_wiped_stack_answers_as_before(stack, folder, app, db, before, generations):
    generation, pages = before
    live = generations.live()
    user = next(iter(pages))
    assert home(app, generation, user) == pages[user]
    wipe(stack.settings, db)
    forget_in_memory(stack)
    assert app.get("/recommend/home", user).json()["generation"] is None
    killed_on_its_way(stack, folder)
    assert generations.live().generation is None
    print(said := stack.done("restore", str(folder)))
    assert "an interrupted restore of this backup goes on" in said
    assert homes(app, generation, pages) == pages
    now = generations.live()
    assert (now.generation, now.published_at) == (live.generation, live.published_at)
    assert now.fence > live.fence
    indexes = db[names.SONGS].index_information().values()
    assert {"artist_id", "title"} <= {field for index in indexes for field, _ in index["key"]}
    with closing(Vectors(stack.settings)) as vectors:
        assert vectors.generations() == sorted(generations.servable())
