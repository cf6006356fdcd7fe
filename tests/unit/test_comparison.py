"""Two lists side by side: numbers worked out by hand, and a page that shows text as text."""

import numpy as np
import pytest

from jobs.compare import Model
from jobs.reporting.html import render
from jobs.training.comparison import Lists, best, mix
from tests.manifests import manifest

IDS = ["a", "b", "c", "d"]
ITEMS = np.array([[1, 0], [0, 1], [1, 1], [2, 0]], np.float32)


def test_overlap_came_and_went():
    lists = Lists(["a", "b", "c"], ["c", "a", "d", "e"])
    assert (lists.overlap, lists.came, lists.went) == (0.5, {"d", "e"}, {"b"})
    assert (Lists([], []).overlap, Lists(["a"], []).overlap) == (1.0, 0.0)


def test_mix_leaves_out_what_is_not_known():
    found = mix(["a", "b", "c"], {"a": "A", "b": "A"}, {"a": 1, "c": 4})
    assert (found.artists, found.top_share, found.popularity_rank) == (1, 1.0, 2.5)
    nothing = mix(["x"], {}, {})
    assert (nothing.artists, nothing.top_share, nothing.popularity_rank) == (0, None, None)


def test_the_best_by_inner_product_with_ties_by_id():
    assert best(np.array([1, 0], np.float32), IDS, ITEMS) == ["d", "a", "c", "b"]
    assert best(np.array([1, 0], np.float32), IDS, ITEMS, "d") == ["a", "c", "b"]


def model(generation="g20240301T0200_00000001"):
    made = manifest(generation, popular=["a"])
    users = {"u": np.array([1, 0], np.float32)}
    return Model(made, users, IDS, ITEMS, {}, {"ndcg_10": 0.04})


def test_the_next_song_mixes_listener_and_song():
    ours = model()
    assert ours.next("u", "b", 0.0) == ["c", "a", "d"]
    assert ours.next("u", "b", 1.0) == ["d", "a", "c"]
    assert ours.next("u", "unknown", 0.3) == ours.home("u")


def test_titles_are_shown_as_text():
    home = Lists(["a", "b"], ["a", "c"])
    row = {"user": "<i>u</i>", "home": home, "current": "a", "next": home}
    row |= {f"{kind}_mix": [mix(["a"], {}, {})] * 2 for kind in ("home", "next")}
    songs = {"c": {"title": "<script>alert(1)</script>", "artist": "A & B"}}
    overlap = {"home": home.overlap, "next": home.overlap}
    page = render(
        "comparison.html",
        models=[model(), model()],
        rows=[row],
        songs=songs,
        overlap=overlap,
        new=1,
        gone=0,
    )
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;i&gt;u&lt;/i&gt;" in page
    assert page.count('class="tag good">came') == page.count('class="tag bad">went') == 2


@pytest.mark.parametrize("song", ["a", "d"])
def test_the_current_song_is_not_next(song):
    assert song not in model().next("u", song, 0.7)
