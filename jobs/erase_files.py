"""The part of an erasure without Spark: files, factors, MongoDB and Redis."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from fnmatch import fnmatch

from jobs.contract.erasure import Erased
from jobs.contract.names import (
    LANDING_USERS,
    MASTER_USERS,
    MASTER_USERS_REJECTED,
    MODELS,
    comparison_key,
)
from jobs.contract.settings import Settings
from jobs.maintenance.files import Rewritten, parquet_without, row_count, shown_in, users_without
from jobs.stores import lake_rows
from jobs.stores.cache import Cache
from jobs.stores.documents import Documents
from jobs.stores.generation_lists import GenerationLists
from jobs.stores.generations import Generations
from jobs.stores.objects import Objects

USER_FACTORS = f"{MODELS}/*/user_factors"
NIGHTLY_LISTS = f"{MODELS}/*/nightly_lists"
COMPARISONS = comparison_key("*", "*")
SERVED_LISTS = "MongoDB nightly lists"
STATISTICS = "statistics in master/"
DOCUMENTS = "MongoDB users"
RECENT_PLAYS = "Redis recent plays"
MASTER = (MASTER_USERS, MASTER_USERS_REJECTED)


class FileTraces:
    """Rows of the listeners in landing files, and in the logs of the master tables."""

    def __init__(self, settings: Settings, erased: Erased) -> None:
        self._settings = settings
        self._objects = Objects(settings)
        self._erased = erased

    def found(self) -> dict[str, int]:
        """Return how many rows the files have; a file that cannot be rewritten counts as one."""
        return {
            LANDING_USERS: sum(gone for _, _, (_, gone) in self._landed()),
            STATISTICS: sum(self._statistics(path) for path in MASTER),
        }

    def remove(self) -> None:
        """Write each file anew that has them.

        A master table whose log measures ids is of an older version of the ETL. It is deleted
        whole, for the next run of the ETL writes it anew from `landing/users/`.
        """
        for key, body, (kept, _) in self._landed():
            if kept != body:
                _put(self._objects, self._settings, key, kept)
        for path in MASTER:
            if self._statistics(path):
                self._objects.delete_below(self._settings.lake_bucket, f"{path}/")

    def left_to_the_source(self) -> list[str]:
        """Return the landing files that have an id and could not be rewritten."""
        return [key for key, _, (_, gone) in self._landed() if gone]

    def _landed(self) -> Iterator[tuple[str, bytes, Rewritten]]:
        for key in self._objects.keys(self._settings.lake_bucket, f"{LANDING_USERS}/"):
            body = self._objects.get(self._settings.lake_bucket, key)
            yield key, body, users_without(key, body, self._erased)

    def _statistics(self, path: str) -> int:
        return lake_rows.personal_statistics(self._objects, self._settings, path)


class ServedTraces:
    """What training and serving know of the listeners, of every generation."""

    def __init__(self, settings: Settings, erased: Erased) -> None:
        self._settings = settings
        self._objects = Objects(settings)
        self._erased = erased

    def found(self) -> dict[str, int]:
        """Return how many factors, documents and lists of recent plays there are."""
        with (
            closing(Documents(self._settings)) as documents,
            closing(Cache(self._settings)) as cache,
            closing(GenerationLists(self._settings)) as lists,
        ):
            return {
                USER_FACTORS: sum(gone for _, _, (_, gone) in self._parts("user_factors")),
                NIGHTLY_LISTS: sum(gone for _, _, (_, gone) in self._parts("nightly_lists")),
                COMPARISONS: sum(shown for _, shown in self._comparisons()),
                SERVED_LISTS: sum(len(self._listed(lists, g)) for g in lists.generations()),
                DOCUMENTS: len(self._ours(documents.user_ids)),
                RECENT_PLAYS: len(self._ours(cache.listeners)),
            }

    def remove(self) -> None:
        """Remove all of it, and say how many listeners each generation has left.

        A page that compares lists goes whole: it shows who was sampled, and can be made again.
        """
        left: Counter[str] = Counter()
        for key, body, (kept, _) in self._parts("user_factors"):
            if kept != body:
                _put(self._objects, self._settings, key, kept)
            left[key.split("/")[1]] += row_count(kept)
        for key, body, (kept, _) in self._parts("nightly_lists"):
            if kept != body:
                _put(self._objects, self._settings, key, kept)
        for key, shown in self._comparisons():
            if shown:
                self._objects.delete_below(self._settings.lake_bucket, key)
        with closing(GenerationLists(self._settings)) as lists:
            for generation in lists.generations():
                lists.forget(generation, self._listed(lists, generation))
        with closing(Documents(self._settings)) as documents:
            documents.delete_users(self._ours(documents.user_ids))
        # Publication compares this number with the vectors in MongoDB.
        with closing(Generations(self._settings)) as generations:
            for generation, users in left.items():
                generations.lower_users(generation, users)
        with closing(Cache(self._settings)) as cache:
            cache.forget(self._ours(cache.listeners))

    def _ours(self, ids: Callable[[], Iterator[str]]) -> list[str]:
        return [user_id for user_id in ids() if self._erased.is_id(user_id)]

    def _listed(self, lists: GenerationLists, generation: str) -> list[str]:
        return [user for user in lists.listeners(generation) if self._erased.is_id(user)]

    def _comparisons(self) -> Iterator[tuple[str, int]]:
        for key in self._objects.keys(self._settings.lake_bucket, f"{MODELS}/"):
            if fnmatch(key, COMPARISONS):
                body = self._objects.get(self._settings.lake_bucket, key)
                yield key, shown_in(body, self._erased)

    def _parts(self, part: str) -> Iterator[tuple[str, bytes, Rewritten]]:
        """Yield each file of this part of every generation."""
        for key in self._objects.keys(self._settings.lake_bucket, f"{MODELS}/"):
            if f"/{part}/" in key and key.endswith(".parquet"):
                body = self._objects.get(self._settings.lake_bucket, key)
                yield key, body, parquet_without(body, self._erased)


def _put(objects: Objects, settings: Settings, key: str, body: bytes) -> None:
    objects.put(settings.lake_bucket, key, body, "application/octet-stream")
