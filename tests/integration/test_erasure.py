"""A listener who is erased is nowhere: every object, document and key is searched for the id."""

import io
import json
import time
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from deltalake import write_deltalake

from infra.local.show import table
from jobs.contract import names
from jobs.contract.erasure import listener_hash
from jobs.phases import summary
from jobs.stores.cache import HOME, KINDS, Cache
from jobs.stores.generation_lists import GenerationLists
from jobs.stores.objects import Objects
from tests.comparisons import comparison_page
from tests.integration.lake import quarantine, raw_logs, rows
from tests.integration.stack import Stack

ANN, BOB = "erasure-ann", "erasure-bob"
OWN = {"NOCTURNE_LAKE_BUCKET": "erasure", "NOCTURNE_MONGO_DB": "nocturne_erasure"}
GENERATION, OLDER = "g20260101T0000_aaaaaaaa", "g20251231T0000_aaaaaaaa"
FACTORS = f"{names.user_factors_path(GENERATION)}/part-00000.parquet"
LISTS = f"{names.lists_path(GENERATION)}/part-00000.parquet"
PAGES = {
    names.comparison_key("g20250101T0000_00000001", GENERATION): (ANN, BOB),
    names.comparison_key("g20250101T0000_00000002", GENERATION): (BOB,),
}
USERS = "".join(json.dumps({"user_id": u, "name": f"{u}!"}) + "\n" for u in (ANN, BOB))


@pytest.fixture(scope="module")
def settings(stack: Stack):
    """A lake and a database of this file's own."""
    changed = {"lake_bucket": "erasure", "mongo_db": "nocturne_erasure"}
    return stack.settings.model_copy(update=changed)


@pytest.fixture(scope="module")
def own_db(settings, db):
    return db.client[settings.mongo_db]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Three plays of Ann, two of Bob, and of each a refused row; of Ann one more, cut short."""
    now = int(time.time() * 1000)
    plays = [
        {
            "event_id": f"e{n}",
            "user_id": u,
            "track_id": "s1",
            "timestamp": now - n,
            "action": "listen",
        }
        for n, u in enumerate((ANN, ANN, ANN, BOB, BOB))
    ]
    lines = [*plays, {"user_id": ANN, "action": "listen"}, {"user_id": BOB, "action": "listen"}]
    path = tmp_path_factory.mktemp("erasure") / "log.jsonl"
    path.write_text("".join(json.dumps(x) + "\n" for x in lines) + f'{{"user_id": "{ANN}", "tr\n')
    return path


@pytest.fixture(scope="module")
def known(stack, settings, own_db, log):
    """Both listeners wherever a listener can be."""
    objects = Objects(settings)
    stack.ensure_lake(settings)
    objects.put(
        settings.lake_bucket, f"{names.LANDING_USERS}/u.jsonl", USERS.encode(), "text/plain"
    )
    put_generation(objects, settings.lake_bucket)
    for key, user_ids in PAGES.items():
        objects.put(settings.lake_bucket, key, comparison_page(*user_ids).encode(), "text/html")
    jobs(stack, ("import_logs", str(log), "--format", "nocturne"), ("etl_users",))
    row = raw_logs(settings).filter(pa.compute.field("user_id") == ANN).slice(0, 1)
    streamed = pa.table(
        {**{c: row[c] for c in row.column_names}, "event_id": ["k"]}
        | {"kafka_partition": pa.array([1], pa.int32()), "kafka_offset": [41], "import_id": [""]}
    )
    raw = table(settings, names.RAW_LOGS)
    unsafe = {**raw._storage_options, "AWS_S3_ALLOW_UNSAFE_RENAME": "true"}
    write_deltalake(raw.table_uri, streamed, mode="append", storage_options=unsafe)
    vectors = {"vectors": {GENERATION: [1.0, 2.0]}, "latent_vector": [1.0, 2.0]}
    own_db[names.USERS].update_many({}, {"$set": vectors})
    own_db[names.GENERATIONS].insert_one({"_id": GENERATION, "users": 2, "created_at": 0})
    with closing(GenerationLists(settings)) as lists:
        for generation in (GENERATION, OLDER):
            lists.set_lists(generation, [(ANN, ["s1"], [("s2", 1.0)]), (BOB, ["s1"], [])])
    with closing(Cache(settings)) as cache:
        for user_id in (ANN, BOB):
            cache.add_plays(user_id, {"s1": 1}, {"s2": 1}, ["event 1"])
            cache.set_choices(user_id, "[]")
            cache.set_home(user_id, "name", "state", "{}")


def put_generation(objects: Objects, bucket: str) -> None:
    """Write factors and nightly lists of both listeners, as a training would."""
    for key, part in ((FACTORS, {"vector": [[1.0, 2.0]] * 2}), (LISTS, {"songs": [["s1"]] * 2})):
        body = io.BytesIO()
        pq.write_table(pa.table({"id": [ANN, BOB], **part}), body)
        objects.put(bucket, key, body.getvalue(), "application/octet-stream")


def jobs(stack: Stack, *commands: tuple[str, ...]) -> str:
    """Run jobs one after the other in one process, for each start of Java takes its time."""
    calls = "; ".join(f"assert jobs.{job}.main({arguments!r}) == 0" for job, *arguments in commands)
    imports = "import " + ", ".join(f"jobs.{job}" for job, *_ in commands)
    ended = stack.run(["python", "-c", f"{imports}; {calls}"], **OWN)
    assert ended.returncode == 0, f"{ended.stdout[-2000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


def traces(settings, own_db, user_id: str) -> set[str]:
    """Return every object, document and key of this lake, database and Redis that has the id."""
    objects = Objects(settings)
    found = set()
    for key in objects.keys(settings.lake_bucket, ""):
        body = objects.get(settings.lake_bucket, key)
        if key.endswith(".parquet"):
            body += str(pq.read_table(io.BytesIO(body)).to_pylist()).encode()
        if user_id.encode() in body or user_id in key:
            found.add(key)
    for name in own_db.list_collection_names():
        found |= {f"{name}/{d['_id']}" for d in own_db[name].find() if user_id in str(d)}
    with closing(redis.Redis.from_url(settings.redis_url, decode_responses=True)) as client:
        found |= {key for key in client.scan_iter() if user_id in key}
    return found


def kinds(found: set[str]) -> set[str]:
    """Return the places of traces: lake tables, folders of files, collections, keys."""
    return {"/".join(trace.split("/")[:2]) for trace in found}


EVERYWHERE = {
    names.RAW_LOGS,
    names.QUARANTINE_LOGS,
    names.MASTER_USERS,
    names.LANDING_LOGS,
    names.LANDING_USERS,
    f"{names.MODELS}/{GENERATION}",
}


def test_an_erased_listener_is_nowhere(stack, settings, own_db, known, log):
    before = traces(settings, own_db, ANN)
    served = {f"{names.lists_collection(g)}/{ANN}" for g in (GENERATION, OLDER)}
    assert kinds(before) == {
        *EVERYWHERE,
        *served,
        f"{names.USERS}/{ANN}",
        *(f"{kind}{ANN}" for kind in KINDS),
    }
    assert {FACTORS, LISTS} < before
    assert not [trace for trace in before if "_delta_log" in trace]
    others = traces(settings, own_db, BOB)

    print(said := jobs(stack, ("erase", "--user", ANN)))

    assert traces(settings, own_db, ANN) == set()
    # A home page is kept for a minute only, whoever it is of.
    gone = {names.LANDING_LOGS, f"{HOME}{BOB}"}
    assert kinds(traces(settings, own_db, BOB)) - gone == kinds(others) - gone
    assert names.LANDING_LOGS not in kinds(traces(settings, own_db, BOB))
    assert names.comparison_key("g20250101T0000_00000002", GENERATION) in traces(
        settings, own_db, BOB
    )
    assert raw_logs(settings)["user_id"].to_pylist() == [BOB, BOB]
    (refused,) = quarantine(settings)["raw"].to_pylist()
    assert json.loads(refused)["user_id"] == BOB
    (offsets,) = rows(settings, names.REMOVED_OFFSETS).to_pylist()
    assert (offsets["kafka_partition"], offsets["first_offset"], offsets["last_offset"]) == (
        1,
        41,
        41,
    )
    assert own_db[names.PLAY_COUNTS].find_one({"_id": "s1"})["days"].popitem()[1] == 2
    assert own_db[names.GENERATIONS].find_one({"_id": GENERATION})["users"] == 1
    (request,) = own_db[names.ERASURES].find()
    assert (request["_id"], "user_id" in request) == (listener_hash(ANN), False)
    assert request["report"][names.RAW_LOGS] == {"found": 4, "left": 0}
    assert request["report"]["models/*/nightly_lists"] == {"found": 1, "left": 0}
    assert request["report"]["MongoDB nightly lists"] == {"found": 2, "left": 0}
    assert f"{names.QUARANTINE_LOGS:24}{2:9}{0:9}" in said


def test_what_comes_back_goes_again(stack, settings, own_db, known, log):
    """The source's files name her still, a training under way writes her factors: one night on."""
    objects, bucket = Objects(settings), settings.lake_bucket
    objects.put(bucket, f"{names.LANDING_USERS}/u.jsonl", USERS.encode(), "text/plain")
    put_generation(objects, bucket)
    imported = ("import_logs", str(log), "--format", "nocturne")
    said = jobs(stack, imported, ("etl_users",), ("erase", "--pending"))
    assert "already imported" in said
    assert summary("etl_users", 1, 1, 0, 0.0)[:-10] in said
    assert f"{names.LANDING_USERS:24}{1:9}{0:9}" in said
    assert traces(settings, own_db, ANN) == set()
    assert raw_logs(settings)["user_id"].to_pylist() == [BOB, BOB]
    assert len(rows(settings, names.REMOVED_OFFSETS)) == 1
