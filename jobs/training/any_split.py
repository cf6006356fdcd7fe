"""Any split of any data: train on some pairs of user and item, find the others."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.sparse as sp

from jobs.training.als import Factors, collect_factors
from jobs.training.baselines import log, neighbours
from jobs.training.metrics import Doubles, per_listener
from jobs.training.ranking import Scorer, top_lists

METRICS = ("recall_10", "recall_20", "ndcg_10", "ndcg_20", "hr_10", "hr_20")


def measure(
    train: pd.DataFrame, test: pd.DataFrame, factors: Factors, seen: pd.DataFrame | None = None
) -> dict[str, dict[str, Doubles]]:
    """Return each metric of each model, with a value per user of the test pairs.

    `train` has user, item and count, `test` and `seen` user and item: distinct pairs of strings.
    Every item of `train` is ranked for every user, but for the user's own of `train` and `seen`.
    A test item that is not in `train` is a miss.
    """
    users = pd.Index(test["user"].unique(), dtype=object)
    items = pd.Index(train["item"].unique(), dtype=object)
    known = items.append(pd.Index(test["item"].unique()).difference(items))
    relevant = [np.asarray(found) for found in _grouped(test, users, known)]
    excluded = train[["user", "item"]]
    if seen is not None:
        excluded = pd.concat([excluded, seen[seen["item"].isin(items)]])
    without = [np.asarray(found, dtype=np.int64) for found in _grouped(excluded, users, items)]
    plays = train.groupby("item")["count"].size().reindex(items).to_numpy(np.float32)
    return {
        name: per_listener(top_lists(scorer, len(users), plays, without), relevant)
        for name, scorer in _scorers(train, factors, users, items, plays).items()
    }


def means(values: Mapping[str, Mapping[str, Doubles]]) -> dict[str, dict[str, float]]:
    """Return the mean over users of each metric of each model."""
    return {
        model: {metric: float(np.nanmean(found[metric])) for metric in METRICS}
        for model, found in values.items()
    }


def _grouped(rows: pd.DataFrame, users: pd.Index, items: pd.Index) -> list[list[int]]:
    at = pd.Series(items.get_indexer(rows["item"]), index=rows["user"])
    groups = at.groupby(level=0).agg(list).to_dict()
    return [groups.get(user, []) for user in users]


def _scorers(
    train: pd.DataFrame,
    factors: Factors,
    users: pd.Index,
    items: pd.Index,
    plays: np.ndarray[tuple[int], np.dtype[np.float32]],
) -> dict[str, Scorer]:
    everyone = users.append(pd.Index(train["user"].unique()).difference(users))
    cells = (everyone.get_indexer(train["user"]), items.get_indexer(train["item"]))
    counts = train["count"].to_numpy(np.float64)
    matrix = sp.csr_matrix((counts, cells), shape=(len(everyone), len(items)))
    weights = log(matrix)
    similar = neighbours(weights)
    (user_ids, user_rows), (item_ids, item_rows) = map(
        collect_factors, (factors.users, factors.items)
    )
    vectors = np.zeros((len(users), item_rows.shape[1]), np.float32)
    at = pd.Index(user_ids).get_indexer(users)
    vectors[at >= 0] = user_rows[at[at >= 0]]
    of_items = item_rows[pd.Index(item_ids).get_indexer(items)]
    return {
        "als": lambda block: vectors[block] @ of_items.T,
        "item-kNN": lambda block: (
            (weights[: len(users)][block] @ similar).toarray().astype(np.float32)
        ),
        "popularity": lambda block: np.tile(plays, (len(range(*block.indices(len(users)))), 1)),
    }
