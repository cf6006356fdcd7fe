"""Publication on real stores, in a database of this file's own: switch first, clean up last."""

from collections.abc import Iterator
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
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors
from tests.integration.stack import Stack
from tests.manifests import manifest

KEEP = 2
FIRST, SECOND, THIRD, FOURTH = (f"g20240401T0200_0000000{n}" for n in range(1, 5))
VECTORS = {f"s{n}": [1.0, float(n)] for n in range(5)}


@dataclass(frozen=True)
class Stores:
    """The stores, with a database of this file's own."""

    settings: Settings
    generations: Generations
    documents: Documents
    vectors: Vectors

    def states(self) -> dict[str, str]:
        return {d["_id"]: d["state"] for d in self.generations.all() if not d.get("gone")}

    def publish(self, generation: str, vectors: Vectors | None = None) -> list[str]:
        with closing(Publisher(self.settings, vectors)) as publisher:
            return publisher.publish(generation)

    def index(self, generation: str) -> None:
        """Bring a tiny generation to the state INDEXED, as build_index would."""
        self.generations.record_trained(manifest(generation, items=len(VECTORS)))
        self.vectors.build(generation, 2, VECTORS.items())
        self.documents.set_vectors(generation, [("u0", [0.0, 1.0]), ("u1", [1.0, 0.0])])
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
        closing(Generations(stack.settings)) as others,
    ):
        yield Stores(settings, generations, documents, vectors)
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
    own = {"NOCTURNE_MONGO_DB": stores.settings.mongo_db, "NOCTURNE_KEEP_GENERATIONS": str(KEEP)}
    own["NOCTURNE_SERVING_URL"] = ""  # the app reads another database
    ended = stack.run(["python", "jobs/publish.py", FIRST, SECOND, THIRD], **own)
    assert (ended.returncode, ended.stderr) == (0, "")
    generations, vectors = stores.generations, stores.vectors
    assert generations.live().generation == THIRD
    assert stores.states() == {SECOND: State.RETIRED, THIRD: State.LIVE}
    assert FIRST not in vectors.generations()
    assert stores.documents.count_vectors(FIRST) == 0
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
    stores.publish(THIRD)
    with pytest.raises(NotPublished, match="moved on"):
        generations.switch(SECOND, stale)
    assert generations.live().generation == THIRD


def test_a_retry_mends_what_a_dead_publisher_left(stores, db) -> None:
    """Dead between the pointer and the states: the pointer decides."""
    pointer = db[names.SERVING_STATE]
    pointer.update_one({"_id": names.LIVE}, {"$set": {"generation": SECOND}, "$inc": {"fence": 1}})
    assert stores.states() == {SECOND: State.RETIRED, THIRD: State.LIVE}
    assert stores.publish(SECOND) == []
    assert stores.states() == {SECOND: State.LIVE, THIRD: State.RETIRED}


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
