"""The part of a restore that makes Milvus anew, from the generations' factors, without Spark."""

from contextlib import ExitStack, closing
from functools import partial

import numpy as np

from jobs.contract import names
from jobs.contract.errors import BadModel
from jobs.contract.generations import IN_STORES
from jobs.contract.settings import Settings
from jobs.index.recall import TOP, recall
from jobs.index.verdict import Found, problems
from jobs.phases import phase
from jobs.stores.documents import Documents
from jobs.stores.generation_lists import GenerationLists
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest
from jobs.stores.parts import factors, read_part
from jobs.stores.vectors import Vectors

SAMPLE = 100

timed = partial(phase, "restore")


class RestoredIndex:
    """Collections of the generations that can be live, each checked like a new one."""

    def __init__(self, settings: Settings, stores: ExitStack) -> None:
        self._settings = settings
        self._vectors = stores.enter_context(closing(Vectors(settings)))
        self._documents = stores.enter_context(closing(Documents(settings)))
        self._lists = stores.enter_context(closing(GenerationLists(settings)))
        self._generations = stores.enter_context(closing(Generations(settings)))

    def build(self, live: str | None) -> None:
        """Build what the restored records say can be live, and drop every other collection.

        Raises BadModel where the live one is not sound; another one just cannot be live then.
        """
        servable = [
            str(d["_id"])
            for d in self._generations.all()
            if d["state"] in IN_STORES and not d.get("gone")
        ]
        self._vectors.drop_alias()
        for generation in set(self._vectors.generations()) - set(servable):
            self._vectors.drop(generation)
        for generation in servable:
            print(f"restore: the index of {generation}", flush=True)
            with timed(self._settings, "an index"):
                wrong = self._build(generation)
            if wrong and generation == live:
                raise BadModel(f"{generation} was live, and is not sound in this backup: {wrong}")
            if wrong:
                self._generations.forget(generation)
                self._vectors.drop(generation)
                print(f"restore: {generation} cannot be live: {wrong}; see rebuild_index")

    def _build(self, generation: str) -> str:
        """Return what is wrong with it."""
        ids, matrix = factors(self._settings, names.item_factors_path(generation))
        rows = ((i, row.tolist()) for i, row in zip(ids, matrix, strict=True))
        self._vectors.build(generation, matrix.shape[1], rows)
        users, user_matrix = factors(self._settings, names.user_factors_path(generation))
        queries = user_matrix[:SAMPLE]
        answers = self._vectors.search(generation, queries.tolist(), TOP)
        songs = [[song for song, _ in answer] for answer in answers]
        manifest = read_manifest(self._settings, generation)
        neighbours, lists = self._lists.counts(generation)
        found = Found(
            lake_users=len(users),
            lake_items=len(ids),
            bad=sum(int((~np.isfinite(m)).any(axis=1).sum()) for m in (matrix, user_matrix)),
            mongo_users=self._documents.count_vectors(generation),
            milvus_items=self._vectors.count(generation),
            recall=recall(queries, ids, matrix, songs),
            lake_neighbours=self._rows(names.neighbours_path(generation), manifest.neighbours),
            lake_lists=self._rows(names.lists_path(generation), manifest.lists),
            mongo_neighbours=neighbours,
            mongo_lists=lists,
        )
        return "; ".join(problems(found, self._settings.min_index_recall))

    def _rows(self, path: str, expected: int) -> int:
        """Return the rows of a part; a generation of an older version has none."""
        return int(read_part(self._settings, path).num_rows) if expected else 0
