"""Training, evaluation and index as jobs, on a lake and a database of this file's own.

The log is a checkerboard of two tastes, so that every listener's best songs are known.
"""

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pytest
from pymongo.database import Database

from jobs.contract import names
from jobs.contract.generations import State
from jobs.contract.settings import Settings
from jobs.stores.documents import Documents, database
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest
from jobs.stores.objects import Objects
from jobs.stores.vectors import Vectors
from tests.integration.board import AS_OF, LISTENERS, SONGS, board, write_log
from tests.integration.stack import Stack

SMALL = ["--rank=8", "--reg=0.1", "--alpha=40", "--iterations=5", "--window-days=30"]
LOCAL, CLUSTER = "g20240301T0200_00000001", "g20240301T0200_00000002"
BROKEN = "g20240301T0200_00000003"


@dataclass(frozen=True)
class Lab:
    """The stack with another bucket and another database than everybody else's."""

    stack: Stack
    settings: Settings
    objects: Objects
    generations: Generations
    documents: Documents
    vectors: Vectors
    db: Database

    def run(self, job: str, *args: str, **env: str) -> CompletedProcess[str]:
        own = {
            "NOCTURNE_LAKE_BUCKET": self.settings.lake_bucket,
            "NOCTURNE_MONGO_DB": self.settings.mongo_db,
        }
        return self.stack.run(["python", f"jobs/{job}.py", *args], **own, **env)

    def done(self, job: str, *args: str, **env: str) -> str:
        """Run a job that must end well and return what it printed."""
        ended = self.run(job, *args, **env)
        assert ended.returncode == 0, ended.stderr[-3000:]
        return ended.stdout

    def keys(self, generation: str) -> list[str]:
        folder = f"{names.MODELS}/{generation}/"
        return self.objects.keys(self.settings.lake_bucket, folder)

    def factors(self, path: str) -> dict[str, np.ndarray]:
        objects, bucket = self.objects, self.settings.lake_bucket
        parts = [key for key in objects.keys(bucket, f"{path}/") if key.endswith(".parquet")]
        tables = [pq.read_table(BytesIO(objects.get(bucket, key))) for key in parts]
        rows = pa.concat_tables(tables).to_pylist()
        return {row["id"]: np.array(row["vector"]) for row in rows}


@pytest.fixture(scope="module")
def lab(stack: Stack) -> Iterable[Lab]:
    own = {"lake_bucket": "trainingtest", "mongo_db": "nocturne_training"}
    settings = stack.settings.model_copy(update=own)
    db, objects = database(settings), Objects(settings)
    db.client.drop_database(db.name)
    objects.ensure_bucket(settings.lake_bucket)
    objects.delete_below(settings.lake_bucket, "")
    with (
        closing(Generations(settings)) as generations,
        closing(Documents(settings)) as documents,
        closing(Vectors(settings)) as vectors,
    ):
        yield Lab(stack, settings, objects, generations, documents, vectors, db)
        for generation in (LOCAL, CLUSTER, BROKEN):
            vectors.drop(generation)
    db.client.drop_database(db.name)
    db.client.close()
    objects.delete_below(settings.lake_bucket, "")


@pytest.fixture(scope="module")
def trained(lab: Lab) -> str:
    """What the training of LOCAL printed; the log is there from here on."""
    write_log(lab.settings, board())
    return lab.done("train_als", "--as-of=2024-03-01", f"--generation={LOCAL}", *SMALL)


@pytest.fixture(scope="module")
def indexed(lab: Lab, trained: str) -> str:
    return lab.done("build_index", LOCAL)


def test_no_log_at_all_is_refused(lab: Lab) -> None:
    ended = lab.run("train_als", "--as-of=2024-03-01", f"--generation={BROKEN}", *SMALL)
    assert ended.returncode == 1
    assert "there is no table" in ended.stderr
    assert lab.keys(BROKEN) == []


def test_a_training_leaves_factors_manifest_and_record(lab: Lab, trained: str) -> None:
    manifest = read_manifest(lab.settings, LOCAL)
    in_window = [play for play in board() if play[2] < AS_OF]
    assert trained.splitlines()[-1] == LOCAL
    assert f"{len(in_window)} plays" in trained
    assert (manifest.plays, manifest.pairs) == (len(in_window), len(in_window))
    assert (manifest.users, manifest.items) == (LISTENERS, SONGS)
    assert (manifest.window_start, manifest.params["rank"]) == (date(2024, 1, 31), 8)
    assert sorted(manifest.popular) == [f"s{song:02}" for song in range(SONGS)]
    items = lab.factors(names.item_factors_path(LOCAL))
    norms = [np.linalg.norm(vector) for vector in items.values()]
    assert manifest.norms.items == pytest.approx(np.median(norms))
    record = lab.generations.find(LOCAL) or {}
    assert (record["state"], record["plays"]) == (State.TRAINED, manifest.plays)


def test_a_repeat_does_nothing_and_another_training_is_refused(lab: Lab, trained: str) -> None:
    again = ["--as-of=2024-03-01", f"--generation={LOCAL}"]
    before = read_manifest(lab.settings, LOCAL)
    assert "nothing to do" in lab.done("train_als", *again, *SMALL)
    other = lab.run("train_als", *again, *SMALL, "--rank=9")
    assert (other.returncode, "choose another --generation" in other.stderr) == (1, True)
    assert read_manifest(lab.settings, LOCAL) == before


def test_too_little_data_leaves_nothing(lab: Lab, trained: str) -> None:
    ended = lab.run("train_als", "--as-of=2024-02-11", f"--generation={BROKEN}", *SMALL)
    assert ended.returncode == 1
    assert "0 listeners (NOCTURNE_MIN_LISTENERS=10)" in ended.stderr
    assert lab.keys(BROKEN) == []
    assert lab.generations.find(BROKEN) is None


def test_evaluation_finds_the_songs_of_the_own_taste(lab: Lab, trained: str) -> None:
    printed = lab.done("evaluate", f"--generation={LOCAL}")
    objects = lab.objects
    report = json.loads(objects.get(lab.settings.lake_bucket, names.report_key(LOCAL)))
    als = report["home"]["unheard"]["als"]
    assert als == {"users": LISTENERS, "recall_10": 1.0, "recall_20": 1.0, "ndcg_10": 1.0}
    assert report["home"]["unheard"]["popularity 30 d"]["ndcg_10"] < 0.9
    assert any(line.split()[:2] == ["unheard", "als"] for line in printed.splitlines())


def test_an_index_holds_what_the_lake_holds(lab: Lab, indexed: str) -> None:
    vectors, items = lab.vectors, lab.factors(names.item_factors_path(LOCAL))
    stored = vectors.get(LOCAL, list(items))
    assert all(np.allclose(stored[song], items[song]) for song in items)
    users = lab.factors(names.user_factors_path(LOCAL))
    for document in lab.db[names.USERS].find():
        assert np.allclose(document["vectors"][LOCAL], users[document["_id"]])
    assert lab.documents.count_vectors(LOCAL) == LISTENERS
    assert (lab.generations.find(LOCAL) or {})["state"] == State.INDEXED


def spark_home(folder: Path) -> Path:
    """Return a Spark home of the test's own: executors leave their folders in `work/`."""
    folder.mkdir()
    for entry in Path(pyspark.__file__).parent.iterdir():
        (folder / entry.name).symlink_to(entry)
    (folder / "work").unlink(missing_ok=True)
    (folder / "work").mkdir()
    return folder


def test_two_executors_train_and_index_the_same(lab: Lab, indexed: str, tmp_path: Path) -> None:
    home = spark_home(tmp_path / "spark")
    cluster = {"NOCTURNE_SPARK_MASTER": "local-cluster[2,1,1024]", "SPARK_HOME": str(home)}
    lab.done("train_als", "--as-of=2024-03-01", f"--generation={CLUSTER}", *SMALL, **cluster)
    printed = lab.done("build_index", LOCAL, CLUSTER, **cluster)

    apps = sorted(home.glob("work/app-*"))
    assert [sorted(e.name for e in app.iterdir()) for app in apps] == [["0", "1"]] * 2
    assert f"{LOCAL} is indexed and sound: nothing to do" in printed
    for path in (names.user_factors_path, names.item_factors_path):
        alone, together = lab.factors(path(LOCAL)), lab.factors(path(CLUSTER))
        assert alone.keys() == together.keys()
        assert all(np.allclose(alone[i], together[i], rtol=1e-3, atol=1e-4) for i in alone)
    vectors, queries = lab.vectors, [list(lab.factors(path(CLUSTER))["s00"])]
    assert vectors.count(CLUSTER) == SONGS
    best = [vectors.search(g, queries, 1)[0][0] for g in (LOCAL, CLUSTER)]
    assert best[0][0] == best[1][0]
    assert best[0][1] == pytest.approx(best[1][1], rel=1e-3)
    assert lab.documents.count_vectors(CLUSTER) == LISTENERS


def test_a_live_generation_is_checked_but_never_rebuilt(lab: Lab, indexed: str) -> None:
    generations, documents = lab.generations, lab.documents
    generations.switch(LOCAL, generations.live())
    lost = {"_id": "u00", f"vectors.{LOCAL}": {"$exists": True}}
    lab.db[names.USERS].update_one(lost, {"$unset": {f"vectors.{LOCAL}": ""}})
    ended = lab.run("build_index", LOCAL)
    assert ended.returncode == 1
    assert "is live, was left alone" in ended.stderr
    assert lab.vectors.count(LOCAL) == SONGS
    assert documents.count_vectors(LOCAL) == LISTENERS - 1
    assert generations.live().generation == LOCAL


def test_an_index_that_fails_is_removed_again(lab: Lab, indexed: str) -> None:
    """Factors with one listener twice: the lake then has a row more than MongoDB can."""
    objects, bucket = lab.objects, lab.settings.lake_bucket
    manifest = read_manifest(lab.settings, LOCAL).model_copy(update={"generation": BROKEN})
    for path in (names.user_factors_path, names.item_factors_path):
        rows = [{"id": i, "vector": v.tolist()} for i, v in lab.factors(path(LOCAL)).items()]
        extra = rows[:1] if path == names.user_factors_path else []
        body = BytesIO()
        schema = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32()))])
        pq.write_table(pa.Table.from_pylist(rows + extra, schema), body)
        objects.put(
            bucket, f"{path(BROKEN)}/part-0.parquet", body.getvalue(), "application/parquet"
        )
    key = names.manifest_key(BROKEN)
    objects.put(bucket, key, manifest.model_dump_json().encode(), "application/json")

    live = lab.generations.live()
    ended = lab.run("build_index", BROKEN)
    assert ended.returncode == 1
    assert f"{LISTENERS + 1} listeners in the lake, {LISTENERS} in MongoDB" in ended.stderr
    assert BROKEN not in lab.vectors.generations()
    assert lab.documents.count_vectors(BROKEN) == 0
    assert lab.generations.live() == live
