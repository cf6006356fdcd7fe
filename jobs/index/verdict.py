"""Whether an index is what the lake says it must be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """What a generation has in the lake and in the stores that serve it.

    `bad` rows hold NaN or infinite numbers; `recall` is that of the index at 10.
    """

    lake_users: int
    lake_items: int
    bad: int
    mongo_users: int
    milvus_items: int
    recall: float
    lake_neighbours: int = 0
    lake_lists: int = 0
    mongo_neighbours: int = 0
    mongo_lists: int = 0

    @property
    def in_lake(self) -> int:
        """Return the rows of all parts in the lake."""
        return self.lake_users + self.lake_items + self.lake_neighbours + self.lake_lists

    @property
    def in_stores(self) -> int:
        """Return the rows of all parts in the stores that serve."""
        return self.mongo_users + self.milvus_items + self.mongo_neighbours + self.mongo_lists


def problems(found: Found, min_recall: float) -> list[str]:
    """Return a clause for each thing that is wrong; none means that it may be published."""
    checks = [
        (
            found.lake_users == found.mongo_users,
            f"{found.lake_users} listeners in the lake, {found.mongo_users} in MongoDB",
        ),
        (
            found.lake_items == found.milvus_items,
            f"{found.lake_items} songs in the lake, {found.milvus_items} in Milvus",
        ),
        (
            found.lake_neighbours == found.mongo_neighbours,
            f"neighbours of {found.lake_neighbours} songs in the lake, of "
            f"{found.mongo_neighbours} in MongoDB",
        ),
        (
            found.lake_lists == found.mongo_lists,
            f"{found.lake_lists} nightly lists in the lake, {found.mongo_lists} in MongoDB",
        ),
        (found.bad == 0, f"{found.bad} vectors with NaN or infinite numbers"),
        (
            found.recall >= min_recall,
            f"recall@10 of the index is {found.recall:.3f}, below NOCTURNE_MIN_INDEX_RECALL="
            f"{min_recall:g}",
        ),
    ]
    return [clause for fine, clause in checks if not fine]
