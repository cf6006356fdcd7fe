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

from jobs import train_als
from jobs.contract import names
from jobs.contract.generations import REJECTED_EXIT, State
from jobs.contract.settings import Settings
from jobs.stores.documents import Documents, database
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest, write_manifest
from jobs.stores.objects import Objects
from jobs.stores.tuned import TunedParams
from jobs.stores.vectors import Vectors
from tests.integration.board import AS_OF, LISTENERS, SONGS, board, write_log
from tests.integration.stack import Stack

SMALL = ["--rank=8", "--reg=0.1", "--alpha=40", "--iterations=5", "--window-days=30"]
LOCAL, CLUSTER = "g20240301T0200_00000001", "g20240301T0200_00000002"
BROKEN, AGAIN = "g20240301T0200_00000003", "g20240301T0200_00000004"
SPOILED, TUNED = "g20240301T0200_00000005", "g20240301T0200_00000006"
NEXT, NEXT_AGAIN = "g20240302T0200_00000007", "g20240302T0200_00000008"
HOME = ("recall_10", "recall_20", "ndcg_10", "mrr_20")


VECTORS = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32()))])


def with_nan(rows: list[dict], of_users: bool) -> list[dict]:
    broken = [float("nan"), *rows[0]["vector"][1:]]
    return [rows[0] | {"vector": broken}, *rows[1:]] if of_users else rows


def shuffled(rows: list[dict], of_users: bool) -> list[dict]:
    """Give every song the vector of a song of the other taste, and every listener the own one."""
    if of_users:
        return rows
    by_id = sorted(rows, key=lambda row: row["id"])
    vectors = [row["vector"] for row in by_id]
    return [
        row | {"vector": vector}
        for row, vector in zip(by_id, vectors[1:] + vectors[:1], strict=True)
    ]


SPOIL = {
    "not": lambda rows, of_users: rows,
    "nan": with_nan,
    "empty": lambda rows, of_users: rows if of_users else [],
    "shuffled": shuffled,
    "smaller": lambda rows, of_users: rows[: len(rows) // 10] if of_users else rows,
    "twice": lambda rows, of_users: rows + rows[:1] if of_users else rows,
}


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

    def copy(self, source: str, target: str, spoil: str, **changes: str | None) -> None:
        """Make `target` of `source`, with vectors that are spoiled in the way named."""
        objects, bucket = self.objects, self.settings.lake_bucket
        objects.delete_below(bucket, f"{names.MODELS}/{target}/")
        for path in (names.user_factors_path, names.item_factors_path):
            rows = SPOIL[spoil](self.rows(path(source)), path == names.user_factors_path)
            body = BytesIO()
            pq.write_table(pa.Table.from_pylist(rows, VECTORS), body)
            key = f"{path(target)}/part-0.parquet"
            objects.put(bucket, key, body.getvalue(), "application/parquet")
        manifest = read_manifest(self.settings, source).model_copy(
            # The copy has no lists, which a manifest says with 0.
            update={"generation": target, "neighbours": 0, "lists": 0} | changes
        )
        write_manifest(self.settings, manifest)

    def factors(self, path: str) -> dict[str, np.ndarray]:
        return {row["id"]: np.array(row["vector"]) for row in self.rows(path)}

    def rows(self, path: str) -> list[dict]:
        objects, bucket = self.objects, self.settings.lake_bucket
        parts = [key for key in objects.keys(bucket, f"{path}/") if key.endswith(".parquet")]
        tables = [pq.read_table(BytesIO(objects.get(bucket, key))) for key in parts]
        return pa.concat_tables(tables).to_pylist()


@pytest.fixture(scope="module")
def lab(stack: Stack) -> Iterable[Lab]:
    own = {"lake_bucket": "trainingtest", "mongo_db": "nocturne_training"}
    settings = stack.settings.model_copy(update=own)
    db, objects = database(settings), Objects(settings)
    db.client.drop_database(db.name)
    stack.ensure_lake(settings)
    objects.delete_below(settings.lake_bucket, "")
    with (
        closing(Generations(settings)) as generations,
        closing(Documents(settings)) as documents,
        closing(Vectors(settings)) as vectors,
    ):
        yield Lab(stack, settings, objects, generations, documents, vectors, db)
        for generation in (LOCAL, CLUSTER, BROKEN, SPOILED):
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
def evaluated(lab: Lab, trained: str) -> str:
    return lab.done("evaluate", f"--generation={LOCAL}", "--test-days=1")


@pytest.fixture(scope="module")
def indexed(lab: Lab, evaluated: str) -> str:
    refused = lab.run("build_index", LOCAL)
    assert refused.returncode == 1
    assert "it has not passed the gate" in refused.stderr
    assert f"{LOCAL} passes" in lab.done("gate", f"--generation={LOCAL}")
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
    assert (manifest.neighbours, manifest.lists) == (
        len(lab.rows(names.neighbours_path(LOCAL))),
        len(lab.rows(names.lists_path(LOCAL))),
    )
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
    ended = lab.run("train_als", "--as-of=2024-02-09", f"--generation={BROKEN}", *SMALL)
    assert ended.returncode == 1
    assert "0 listeners (NOCTURNE_MIN_LISTENERS=10)" in ended.stderr
    assert lab.keys(BROKEN) == []
    assert lab.generations.find(BROKEN) is None


def test_evaluation_finds_the_songs_of_the_own_taste(lab: Lab, evaluated: str) -> None:
    objects, bucket = lab.objects, lab.settings.lake_bucket
    report = json.loads(objects.get(bucket, names.report_key(LOCAL)))
    unheard = report["home"]["unheard"]
    found = {name: value["mean"] for name, value in unheard["candidate"].items() if name in HOME}
    assert found == dict.fromkeys(HOME, 1.0)
    assert unheard["candidate"]["ndcg_10"]["listeners"] == LISTENERS
    assert unheard["popularity 30 d"]["ndcg_10"]["mean"] < 0.9
    assert report["factors"]["users"] == {"rows": LISTENERS, "bad": 0} | {
        "norm": pytest.approx(read_manifest(lab.settings, LOCAL).norms.users)
    }
    assert any(line.split()[:2] == ["unheard", "candidate"] for line in evaluated.splitlines())
    page = objects.get(bucket, names.report_page_key(LOCAL)).decode()
    assert LOCAL in page
    assert "<svg" in page


def test_a_repeat_from_the_manifest_has_the_same_metrics(lab: Lab, evaluated: str) -> None:
    lab.done("train_als", f"--like={LOCAL}", f"--generation={AGAIN}")
    lab.done("evaluate", f"--generation={AGAIN}", "--test-days=1")
    first, again = (
        json.loads(lab.objects.get(lab.settings.lake_bucket, names.report_key(g)))
        for g in (LOCAL, AGAIN)
    )
    for part in ("home", "slices", "next"):
        assert again[part] == first[part]
    manifests = [read_manifest(lab.settings, g) for g in (LOCAL, AGAIN)]
    assert manifests[0].lake_version == manifests[1].lake_version
    assert manifests[0].params == manifests[1].params


def test_a_vacuumed_version_cannot_be_repeated_and_says_so(lab: Lab, evaluated: str) -> None:
    manifest = read_manifest(lab.settings, LOCAL).model_copy(
        update={"generation": BROKEN, "lake_version": 99}
    )
    key = names.manifest_key(BROKEN)
    body = manifest.model_dump_json().encode()
    lab.objects.put(lab.settings.lake_bucket, key, body, "application/json")
    ended = lab.run("train_als", f"--like={BROKEN}")
    lab.objects.delete_below(lab.settings.lake_bucket, f"{names.MODELS}/{BROKEN}/")
    assert ended.returncode == 1
    assert "version 99 of raw/logs has been vacuumed" in ended.stderr


def test_a_spoiled_model_is_rejected_unless_somebody_says_why(lab: Lab, evaluated: str) -> None:
    """Vectors under the ids of others: sound to look at, and worse than popularity."""
    lab.copy(LOCAL, SPOILED, "shuffled")
    lab.done("evaluate", f"--generation={SPOILED}", "--test-days=1")
    ended = lab.run("gate", f"--generation={SPOILED}")
    assert (ended.returncode, "mixed up" in ended.stdout) == (REJECTED_EXIT, True)
    assert (lab.generations.find(SPOILED) or {})["state"] == State.REJECTED
    refused = lab.run("build_index", SPOILED)
    assert (refused.returncode, "the gate rejected it" in refused.stderr) == (1, True)

    printed = lab.done("gate", f"--generation={SPOILED}", "--override=a test", "--by=ann")
    assert "passes by an override of ann: a test" in printed
    record = lab.generations.find(SPOILED) or {}
    gate = record["gate"]
    assert (record["state"], len(record["verdicts"])) == (State.GATED, 2)
    assert (gate["passed"], gate["override"], gate["by"]) == (True, "a test", "ann")
    assert "mixed up" in gate["objections"][0]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("nan", "1 vectors of users hold NaN"),
        ("empty", "vectors of 0 items, its manifest says 30"),
        ("smaller", "vectors of 4 users, its manifest says 40"),
    ],
)
def test_broken_vectors_are_rejected_whatever_the_evaluation_said(
    lab: Lab, evaluated: str, spoil: str, said: str
) -> None:
    """The report is that of the sound model, but for what its vectors are found to be."""
    lab.copy(LOCAL, SPOILED, spoil)
    report = json.loads(lab.objects.get(lab.settings.lake_bucket, names.report_key(LOCAL)))
    kinds = {"users": names.user_factors_path, "items": names.item_factors_path}
    for kind, path in kinds.items():
        vectors = lab.rows(path(SPOILED))
        bad = sum(not np.isfinite(row["vector"]).all() for row in vectors)
        report["factors"][kind] |= {"rows": len(vectors), "bad": bad}
    body = json.dumps(report).encode()
    key = names.report_key(SPOILED)
    lab.objects.put(lab.settings.lake_bucket, key, body, "application/json")
    ended = lab.run("gate", f"--generation={SPOILED}")
    assert (ended.returncode, said in ended.stdout) == (REJECTED_EXIT, True)


def test_tuned_parameters_become_the_default_when_they_pass(lab: Lab, evaluated: str) -> None:
    params = {"rank": 8, "reg": 0.2, "alpha": 30.0, "weighting": "clipped", "half_life": 60.0}
    with closing(TunedParams(lab.settings)) as tuned:
        assert tuned.default() is None
        refused = lab.run("train_als", "--as-of=2024-03-01", "--tuned")
        assert (refused.returncode, "run tune_als first" in refused.stderr) == (1, True)
        tuned.propose("a study", params, 0.9, 0.8)
        settings, study = train_als.tuned(lab.settings, candidate=True)
        assert params.items() <= train_als.parameters(settings).items()
        lab.copy(LOCAL, TUNED, "not", tuned_by=study)
        assert tuned.default() is None  # not before the gate
        lab.done("evaluate", f"--generation={TUNED}", "--test-days=1")
        assert "passes" in lab.done("gate", f"--generation={TUNED}")
        assert (tuned.default() or {})["_id"] == "a study"
        assert tuned.candidate() is None
        tuned.propose("another", params | {"reg": 0.3}, 0.95, 0.9)
        tuned.judge("another", passed=False)
        assert tuned.candidate() is None
        assert (tuned.default() or {})["_id"] == "a study"
        assert (tuned.proposed() or {})["_id"] == "another"  # a person may try it once more
        tuned.judge("another", passed=True)
        tuned.judge("a study", passed=True)  # of a night that began with it
        assert (tuned.default() or {})["_id"] == "another"
        tuned.propose("a study", params, 0.96, 0.95)
        tuned.judge("a study", passed=True)
        settings, study = train_als.tuned(lab.settings, candidate=False)
        assert (settings.weighting, settings.half_life, study) == ("clipped", 60.0, "a study")
        assert "1 tuned parameters" in lab.done("tune_als", "--forget")
        assert train_als.tuned(lab.settings, candidate=False) == (lab.settings, None)


def test_an_index_holds_what_the_lake_holds(lab: Lab, indexed: str) -> None:
    vectors, items = lab.vectors, lab.factors(names.item_factors_path(LOCAL))
    stored = vectors.get(LOCAL, list(items))
    assert all(np.allclose(stored[song], items[song]) for song in items)
    users = lab.factors(names.user_factors_path(LOCAL))
    for document in lab.db[names.USERS].find():
        assert np.allclose(document["vectors"][LOCAL], users[document["_id"]])
    assert lab.documents.count_vectors(LOCAL) == LISTENERS
    assert (lab.generations.find(LOCAL) or {})["state"] == State.INDEXED


def test_mongodb_holds_the_lists_of_the_lake(lab: Lab, indexed: str) -> None:
    """Nightly lists are of the own taste; sessions of the board never mix the two."""
    songs = {d["_id"]: d["songs"] for d in lab.db[names.lists_collection(LOCAL)].find()}
    assert songs == {row["id"]: row["songs"] for row in lab.rows(names.lists_path(LOCAL))}
    heard = {(user, song) for user, song, day in board() if day < AS_OF}
    own = {(user, song) for user, song, _ in board()}
    for user in (f"u{n:02}" for n in range(LISTENERS)):
        missed = {song for u, song in own - heard if u == user}
        assert set(songs[user][: len(missed)]) == missed
        assert not heard & {(user, song) for song in songs[user]}

    stored = {d["_id"]: d for d in lab.db[names.neighbours_collection(LOCAL)].find()}
    written = lab.rows(names.neighbours_path(LOCAL))
    assert written
    for row in written:
        document = stored.pop(row["id"])
        assert document["songs"] == [n["id"] for n in row["neighbours"]]
        assert document["weights"] == pytest.approx([n["weight"] for n in row["neighbours"]])
        assert {int(song[1:]) % 2 for song in document["songs"]} == {int(row["id"][1:]) % 2}
    assert not stored


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
    cluster |= {"NOCTURNE_EXACT_DRIVER_PAIRS": "0"}
    lab.done("train_als", "--as-of=2024-03-01", f"--generation={CLUSTER}", *SMALL, **cluster)
    lab.done("gate", f"--generation={CLUSTER}", "--override=compared below")
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
    lab.copy(LOCAL, BROKEN, "twice")
    lab.done("gate", f"--generation={BROKEN}", "--override=the index is to fail")
    live = lab.generations.live()
    ended = lab.run("build_index", BROKEN)
    assert ended.returncode == 1
    assert f"{LISTENERS + 1} listeners in the lake, {LISTENERS} in MongoDB" in ended.stderr
    assert BROKEN not in lab.vectors.generations()
    assert lab.documents.count_vectors(BROKEN) == 0
    assert lab.generations.live() == live


def test_the_next_night_goes_on_from_the_live_one(lab: Lab, indexed: str) -> None:
    generations = lab.generations
    if generations.live().generation != LOCAL:
        generations.switch(LOCAL, generations.live())
    printed = lab.done("train_als", "--as-of=2024-03-02", f"--generation={NEXT}", *SMALL)
    assert f"from the factors of {LOCAL}, night 1 of the chain" in printed
    manifest = read_manifest(lab.settings, NEXT)
    assert (manifest.engine, manifest.started_from, manifest.chain) == ("exact", LOCAL, 1)
    assert manifest.split == date(2024, 2, 17)
    assert 0.95 < (manifest.cosine or 0) <= 1
    assert 2 <= (manifest.iterations or 0) <= 5

    lab.done("train_als", f"--like={NEXT}", f"--generation={NEXT_AGAIN}")
    assert read_manifest(lab.settings, NEXT_AGAIN).started_from == LOCAL
    for path in (names.item_factors_path, names.split_factors_path):
        first, again = lab.factors(path(NEXT)), lab.factors(path(NEXT_AGAIN))
        assert first.keys() == again.keys()
        assert all(np.allclose(first[i], again[i], rtol=1e-3, atol=1e-4) for i in first)

    lab.done("evaluate", f"--generation={NEXT}")
    lab.objects.delete_below(lab.settings.lake_bucket, f"{names.split_factors_path(NEXT_AGAIN)}/")
    ended = lab.run("evaluate", f"--generation={NEXT_AGAIN}")
    assert ended.returncode == 1  # its own training is asked, and none in its place
    assert f"there is no {names.split_factors_path(NEXT_AGAIN)}" in ended.stderr
