"""Publication on real stores, in a database of this file's own: switch first, clean up last."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import pytest
from pymilvus import MilvusException
from pymongo.database import Database

from jobs.contract import names
from jobs.contract.errors import NotPublished
from jobs.contract.generations import State
from jobs.contract.settings import Settings
from jobs.publish import Publisher
from jobs.stores.documents import Documents, database
from jobs.stores.generation_lists import GenerationLists
from jobs.stores.generations import Generations, Pointer
from jobs.stores.vectors import Vectors
from tests.integration.stack import Stack
from tests.manifests import manifest

KEEP = 2
CRASHING = ("python", "-m", "tests.publishing.crashing")
FIRST, SECOND, THIRD, FOURTH = (f"g20240401T0200_0000000{n}" for n in range(1, 5))
VECTORS = {f"s{n}": [1.0, float(n)] for n in range(5)}


@dataclass(frozen=True)
class Stores:
    """The stores, with a database of this file's own."""

    settings: Settings
    generations: Generations
    documents: Documents
    vectors: Vectors
    lists: GenerationLists

    def states(self) -> dict[str, str]:
        return {d["_id"]: d["state"] for d in self.generations.all() if not d.get("gone")}

    def publish(self, generation: str, vectors: Vectors | None = None) -> list[str]:
        with closing(Publisher(self.settings, vectors)) as publisher:
            return publisher.publish(generation)

    def roll_back(self, generation: str) -> list[str]:
        with closing(Publisher(self.settings)) as publisher:
            return publisher.roll_back(generation, "a test", "ann")

    @property
    def env(self) -> dict[str, str]:
        """What a job's process needs to work on this database; the app reads another one."""
        return {
            "NOCTURNE_MONGO_DB": self.settings.mongo_db,
            "NOCTURNE_KEEP_GENERATIONS": str(KEEP),
            "NOCTURNE_SERVING_URL": "",
        }

    def index(self, generation: str) -> None:
        """Bring a tiny generation to the state INDEXED, as build_index would."""
        self.generations.record_trained(manifest(generation, items=len(VECTORS)))
        self.vectors.build(generation, 2, VECTORS.items())
        self.documents.set_vectors(generation, [("u0", [0.0, 1.0]), ("u1", [1.0, 0.0])])
        self.lists.set_neighbours(generation, [("s0", [("s1", 0.8), ("s2", 0.6)])])
        self.lists.set_lists(generation, [("u0", ["s4"], [("s1", 2.0)]), ("u1", [], [])])
        self.generations.set_state(generation, State.INDEXED)


@pytest.fixture(scope="module")
def db(stack: Stack) -> Iterator[Database]:
    """The database itself, for what no store does."""
    settings = stack.settings.model_copy(update={"mongo_db": "nocturne_publish"})
    found = database(settings)
    found.client.drop_database(found.name)
    yield found
    found.client.drop_database(found.name)
    found.client.close()


@pytest.fixture(scope="module")
def stores(stack: Stack, db: Database) -> Iterator[Stores]:
    own = {"mongo_db": db.name, "keep_generations": KEEP, "serving_url": ""}
    settings = stack.settings.model_copy(update=own)
    with (
        closing(Generations(settings)) as generations,
        closing(Documents(settings)) as documents,
        closing(Vectors(settings)) as vectors,
        closing(GenerationLists(settings)) as lists,
        closing(Generations(stack.settings)) as others,
    ):
        yield Stores(settings, generations, documents, vectors, lists)
        live = others.live().generation
        if live in vectors.generations():
            vectors.point_alias(live)
        else:
            vectors._client.drop_alias(names.MILVUS_ALIAS)
        for generation in (FIRST, SECOND, THIRD, FOURTH):
            vectors.drop(generation)


def test_who_cannot_serve_is_refused(stores) -> None:
    generations = stores.generations
    with pytest.raises(NotPublished, match="no generation"):
        stores.publish(FIRST)
    stores.index(FIRST)
    generations.set_state(FIRST, State.TRAINED)
    with pytest.raises(NotPublished, match="has not passed the gate"):
        stores.publish(FIRST)
    generations.set_state(FIRST, State.INDEXED)
    stores.documents.drop_vectors(FIRST)
    with pytest.raises(NotPublished, match="0 of 2 listeners"):
        stores.publish(FIRST)
    stores.vectors.drop(FIRST)
    with pytest.raises(NotPublished, match="Milvus"):
        stores.publish(FIRST)
    assert generations.live().generation is None


def test_the_last_two_are_kept_and_one_can_be_live_again(stack, stores) -> None:
    for generation in (FIRST, SECOND, THIRD):
        stores.index(generation)
    own = stores.env
    ended = stack.run(["python", "jobs/publish.py", FIRST, SECOND, THIRD], **own)
    assert (ended.returncode, ended.stderr) == (0, "")
    generations, vectors = stores.generations, stores.vectors
    assert generations.live().generation == THIRD
    assert stores.states() == {SECOND: State.RETIRED, THIRD: State.LIVE}
    assert FIRST not in vectors.generations()
    assert stores.documents.count_vectors(FIRST) == 0
    assert stores.lists.generations() == [SECOND, THIRD]
    assert [stores.lists.counts(g) for g in (FIRST, SECOND, THIRD)] == [(0, 0), (1, 2), (1, 2)]
    assert stores.lists.neighbours(THIRD, ["s0", "s1"]) == {"s0": [("s1", 0.8), ("s2", 0.6)]}
    assert [stores.lists.nightly(THIRD, u) for u in ("u0", "u1", "?")] == [["s4"], [], []]
    assert vectors._client.describe_alias(names.MILVUS_ALIAS)["collection_name"] == (
        names.collection_name(THIRD)
    )

    back = stack.run(["python", "jobs/rollback.py", "--reason=a test", "--by=ann"], **own)
    assert (back.returncode, back.stderr) == (0, "")
    for generation, state in ((SECOND, State.LIVE), (THIRD, State.RETIRED)):
        step = (generations.find(generation) or {})["history"][-1]
        assert (step["state"], step["by"], step["reason"]) == (state, "ann", "a test")
    assert stores.states() == {SECOND: State.LIVE, THIRD: State.RETIRED}
    refused = stack.run(["python", "jobs/rollback.py", f"--to={FIRST}"], **own)
    assert refused.returncode == 1
    assert "its vectors were removed" in refused.stderr
    assert generations.live().generation == SECOND


def test_a_repeat_changes_nothing(stores) -> None:
    before = stores.generations.live()
    assert stores.publish(SECOND) == []
    assert stores.generations.live() == before
    assert stores.states() == {SECOND: State.LIVE, THIRD: State.RETIRED}


def test_a_late_publisher_loses(stores) -> None:
    generations = stores.generations
    stale = generations.live()
    stores.roll_back(THIRD)
    with pytest.raises(NotPublished, match="moved on"):
        generations.switch(SECOND, stale)
    assert generations.live().generation == THIRD


def test_a_retry_mends_what_a_dead_publisher_left(stores, db) -> None:
    """Dead between the pointer and the states: the pointer decides."""
    pointer = db[names.SERVING_STATE]
    switched = {"generation": SECOND, "why": {"by": "ann", "reason": "died behind the switch"}}
    pointer.update_one({"_id": names.LIVE}, {"$set": switched, "$inc": {"fence": 1}})
    assert stores.states() == {SECOND: State.RETIRED, THIRD: State.LIVE}
    assert stores.publish(SECOND) == []
    assert stores.states() == {SECOND: State.LIVE, THIRD: State.RETIRED}
    for generation in (SECOND, THIRD):
        step = (stores.generations.find(generation) or {})["history"][-1]
        assert step["reason"] == "died behind the switch"


def test_what_was_live_before_is_not_published_again_by_itself(stack, stores) -> None:
    """A task that is cleared or tried again must not undo a rollback."""
    before = stores.generations.live()
    with pytest.raises(NotPublished, match=f"make rollback TO={THIRD}"):
        stores.publish(THIRD)
    again = stack.run(["python", "jobs/publish.py", FIRST, SECOND], **stores.env)
    assert again.returncode == 0, again.stderr
    assert f"{SECOND} is live already" in again.stdout
    assert stores.generations.live() == before


def test_nothing_is_removed_when_somebody_goes_back_to_it_meanwhile(stores, monkeypatch) -> None:
    """A rollback that was prepared before the mark comes between the mark and the removal."""
    stores.index(FOURTH)
    claim = Generations.claim

    def late(generations: Generations, pointer: Pointer) -> bool:
        generations.switch(THIRD, pointer)
        return claim(generations, pointer)

    with monkeypatch.context() as patch:
        patch.setattr(Generations, "claim", late)
        assert "nothing was removed" in stores.publish(FOURTH)[0]
    assert stores.generations.live().generation == THIRD
    assert THIRD in stores.vectors.generations()
    assert stores.states()[THIRD] == State.LIVE
    assert stores.roll_back(SECOND) == []
    assert stores.states() == {SECOND: State.LIVE, THIRD: State.RETIRED}
    assert FOURTH not in stores.vectors.generations()


class Stubborn(Vectors):
    """Milvus that removes nothing for now."""

    def drop(self, generation: str) -> None:
        raise MilvusException(message="not now")


def test_what_could_not_be_cleaned_up_is_left_to_the_next_run(stores) -> None:
    stores.index(FOURTH)
    with closing(Stubborn(stores.settings)) as stubborn:
        warnings = stores.publish(FOURTH, stubborn)
    assert len(warnings) == 1
    assert THIRD in warnings[0]
    assert stores.generations.live().generation == FOURTH
    assert THIRD in stores.vectors.generations()
    assert stores.publish(FOURTH) == []
    assert THIRD not in stores.vectors.generations()
    assert stores.states() == {SECOND: State.RETIRED, FOURTH: State.LIVE}


def test_a_publisher_that_was_killed_behind_its_switch_is_repeated(stack, stores) -> None:
    stores.index(THIRD)
    killed = stack.run([*CRASHING, "publish: between pointer and states", THIRD], **stores.env)
    assert killed.returncode == -signal.SIGKILL
    assert stores.generations.live().generation == THIRD
    assert stores.states()[FOURTH] == State.LIVE
    assert stores.publish(THIRD) == []
    assert stores.states() == {THIRD: State.LIVE, FOURTH: State.RETIRED}


def test_one_of_two_publishers_at_once_is_accepted(stack, stores, tmp_path) -> None:
    rivals, start = (FIRST, SECOND), tmp_path / "start"
    for rival in rivals:
        stores.index(rival)
    steps = ("publish: before the switch", str(start))
    with ThreadPoolExecutor(len(rivals)) as pool:
        running = [pool.submit(stack.run, [*CRASHING, *steps, g], **stores.env) for g in rivals]
        while len(list(tmp_path.iterdir())) < len(rivals):
            assert not any(process.done() for process in running)
            time.sleep(0.05)
        start.touch()
    ended = [process.result() for process in running]
    assert sorted(process.returncode for process in ended) == [0, 1]
    (loser,) = [process for process in ended if process.returncode]
    assert "the pointer moved on" in loser.stderr
    (accepted,) = [g for g, process in zip(rivals, ended, strict=True) if not process.returncode]
    assert stores.generations.live().generation == accepted
