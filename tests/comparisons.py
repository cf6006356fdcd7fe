"""Pages of compare.py about listeners and songs of the tests' own."""

import numpy as np

from jobs.compare import Listener, Model, listed, summaries
from jobs.reporting.html import render
from jobs.training.comparison import mix
from tests.manifests import manifest

IDS = ["a", "b", "c", "d"]
ITEMS = np.array([[1, 0], [0, 1], [1, 1], [2, 0]], np.float32)
SONGS = {"c": {"title": "<script>alert(1)</script>", "artist": "A & B"}}


def model(number: int = 1, **nightly: list[str]) -> Model:
    """Return a small model; everybody in it likes what `d` is like."""
    made = manifest(f"g20240301T0200_{number:08}", popular=["a"])
    users = dict.fromkeys(("u", *nightly), np.array([1, 0], np.float32))
    return Model(made, users, IDS, ITEMS, nightly, {"ndcg_10": 0.04})


def comparison_page(*user_ids: str) -> str:
    """Return the page that compares two models for these listeners."""
    before = model(1, **{user_id: ["a", "b"] for user_id in user_ids})
    after = model(2, **{user_id: ["a", "c"] for user_id in user_ids})
    rows = []
    for user_id in user_ids:
        current, found = listed(before, after, user_id, 0.7)
        mixes = {kind: (mix(x.before, {}, {}), mix(x.after, {}, {})) for kind, x in found.items()}
        rows.append(Listener(user_id, current, found, mixes))
    shown = {"models": [before, after], "rows": rows, "songs": SONGS, "summaries": summaries(rows)}
    return render("comparison.html", **shown, new=1, gone=0)
