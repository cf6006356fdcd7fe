"""Bring trained generations from the lake to the stores that serve: MongoDB and Milvus.

For each generation: user vectors to `users`, item vectors to a Milvus collection of its own,
and a check of both against the lake. What fails is removed again, and the live generation is
never touched. A generation that is indexed already and passes the check is left as it is.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from jobs.contract import names
from jobs.contract.errors import BadModel, NocturneError
from jobs.contract.generations import IN_STORES, Manifest, State, generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.index.recall import TOP, recall
from jobs.index.verdict import Found, problems
from jobs.phases import phase, summary
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.away import stores_named
from jobs.stores.documents import Documents
from jobs.stores.generation_lists import GenerationLists
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest
from jobs.stores.vectors import Vectors
from jobs.training.als import collect_factors
from jobs.training.checks import factor_summary

SAMPLE = 100
"""Listeners whose home page the index must find."""
REFUSED = {
    State.TRAINED: "it has not passed the gate: run evaluate and gate",
    State.REJECTED: "the gate rejected it",
}

timed = partial(phase, "build_index")


class Index:
    """One generation: its factors in the lake, and what the stores have of it."""

    def __init__(self, spark: SparkSession, settings: Settings, manifest: Manifest) -> None:
        self.began = time.monotonic()
        self.generation = manifest.generation
        self._settings = settings
        self._rank = int(manifest.params["rank"])
        user_path = names.user_factors_path(self.generation)
        item_path = names.item_factors_path(self.generation)
        self._users = lake.read_part(spark, lake.url(settings, user_path))
        self._items = lake.read_part(spark, lake.url(settings, item_path))
        # A generation of an older version has neither.
        self._neighbours = self._part(spark, names.neighbours_path, manifest.neighbours)
        self._lists = self._part(spark, names.lists_path, manifest.lists)
        # Into the driver, which both fills Milvus and searches exactly: 26 MB for 100k x 64.
        self._ids, self._matrix = collect_factors(self._items)
        self._documents = Documents(settings)
        self._vectors = Vectors(settings)
        self._generation_lists = GenerationLists(settings)

    def _part(self, spark: SparkSession, path: Callable[[str], str], rows: int) -> DataFrame | None:
        if not rows:
            return None
        return lake.read_part(spark, lake.url(self._settings, path(self.generation)))

    def build(self) -> None:
        """Write all vectors; what an interrupted run left is written over."""
        with timed(self._settings, "item vectors to Milvus"):
            rows = zip(self._ids, (row.tolist() for row in self._matrix), strict=True)
            self._vectors.build(self.generation, self._rank, rows)
        with timed(self._settings, "user vectors to MongoDB"):
            write_user_vectors(self._users, self._settings, self.generation)
        with timed(self._settings, "neighbours and lists to MongoDB"):
            self._generation_lists.drop(self.generation)
            write_lists(self._neighbours, self._lists, self._settings, self.generation)

    def found(self) -> Found:
        """Return what the lake and the stores have, and how well the index finds it."""
        users, items = (
            factor_summary(factors, self._rank).first() for factors in (self._users, self._items)
        )
        if self.generation not in self._vectors.generations():
            in_milvus, share = 0, 0.0
        else:
            in_milvus, share = self._vectors.count(self.generation), self._recall()
        neighbours, lists = self._generation_lists.counts(self.generation)
        return Found(
            lake_neighbours=self._neighbours.count() if self._neighbours else 0,
            lake_lists=self._lists.count() if self._lists else 0,
            mongo_neighbours=neighbours,
            mongo_lists=lists,
            lake_users=users.rows,
            lake_items=items.rows,
            bad=users.bad + items.bad,
            mongo_users=self._documents.count_vectors(self.generation),
            milvus_items=in_milvus,
            recall=share,
        )

    def _recall(self) -> float:
        some_users = self._users.orderBy(F.xxhash64("id")).limit(SAMPLE)
        _, queries = collect_factors(some_users)
        answers = self._vectors.search(self.generation, queries.tolist(), TOP)
        songs = [[song for song, _ in answer] for answer in answers]
        return recall(queries, self._ids, self._matrix, songs)

    def remove(self) -> None:
        """Take everything of the generation out of the stores that serve."""
        self._vectors.drop(self.generation)
        self._documents.drop_vectors(self.generation)
        self._generation_lists.drop(self.generation)


def write_user_vectors(users: DataFrame, settings: Settings, generation: str) -> None:
    """Write vectors from the executors, each partition through a client of its own."""

    def write(rows: Iterable[Row]) -> None:
        with closing(Documents(settings)) as documents:
            documents.set_vectors(generation, ((row.id, row.vector) for row in rows))

    users.foreachPartition(write)


def write_lists(
    neighbours: DataFrame | None, lists: DataFrame | None, settings: Settings, generation: str
) -> None:
    """Write neighbours and nightly lists from the executors, each partition on its own."""

    def write_neighbours(rows: Iterable[Row]) -> None:
        with closing(GenerationLists(settings)) as store:
            found = ((row.id, [(n.id, n.weight) for n in row.neighbours]) for row in rows)
            store.set_neighbours(generation, found)

    def write_nightly(rows: Iterable[Row]) -> None:
        with closing(GenerationLists(settings)) as store:
            found = ((row.id, list(row.songs), _plays(row)) for row in rows)
            store.set_lists(generation, found)

    for frame, write in ((neighbours, write_neighbours), (lists, write_nightly)):
        if frame is not None:
            frame.foreachPartition(write)


def _plays(row: Row) -> list[tuple[str, float]]:
    # A generation of an older version has none.
    return [(pair.id, pair.plays) for pair in (row.asDict().get("plays") or [])]


def index(spark: SparkSession, settings: Settings, generation: str) -> None:
    """Build one generation, or find that it is there and sound.

    Raises BadModel, with everything of it removed, when what was built is not what the lake
    holds; a live generation is only checked.
    """
    generations = Generations(settings)
    manifest = read_manifest(settings, generation)
    generations.record_trained(manifest)
    document = generations.find(generation) or {}
    state = State(document["state"])
    if state in REFUSED:
        raise BadModel(f"{generation} was not indexed: {REFUSED[state]}")
    built = Index(spark, settings, manifest)
    if state in IN_STORES and not document.get("gone"):
        wrong = _wrong(built, settings)
        if not wrong:
            print(f"build_index: {generation} is {state} and sound: nothing to do", flush=True)
            return
        if state == State.LIVE:
            raise BadModel(
                f"{generation} is live, was left alone, and is not sound: {wrong}. Publish "
                "another generation, then build this one again"
            )
    try:
        built.build()
        wrong = _wrong(built, settings)
        if wrong:
            raise BadModel(f"{generation} was not indexed and is removed again: {wrong}")
    except BaseException:
        generations.forget(generation)
        built.remove()
        raise
    generations.set_state(generation, State.INDEXED)


def _wrong(built: Index, settings: Settings) -> str:
    with timed(settings, "checking"):
        found = built.found()
    print(f"build_index: {built.generation}: {found}")
    seconds = time.monotonic() - built.began
    print(summary("build_index", found.in_lake, found.in_stores, found.bad, seconds), flush=True)
    return "; ".join(problems(found, settings.min_index_recall))


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, at the first generation that was not indexed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("generation", nargs="+", type=generation_id)
    args = parser.parse_args(argv)
    try:
        settings = load_settings()
        spark = spark_session(settings, "build_index")
        try:
            with stores_named():
                for generation in args.generation:
                    index(spark, settings, generation)
        finally:
            spark.stop()
    except NocturneError as error:
        print(f"build_index: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
