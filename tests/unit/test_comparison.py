"""Two lists side by side: numbers worked out by hand, and a page that shows text as text."""

import numpy as np
import pytest

from jobs.compare import ALL, NEXT, UNHEARD, lines, listed
from jobs.contract.erasure import Erased, Erasure, listener_hash
from jobs.maintenance.files import shown_in
from jobs.training.comparison import Lists, Mix, best, mix, summary
from tests.comparisons import IDS, ITEMS, comparison_page, model


def test_overlap_came_and_went():
    lists = Lists(["a", "b", "c"], ["c", "a", "d", "e"])
    assert (lists.overlap, lists.came, lists.went) == (0.5, {"d", "e"}, {"b"})
    assert (Lists([], []).overlap, Lists(["a"], []).overlap) == (1.0, 0.0)


def test_mix_leaves_out_what_is_not_known():
    found = mix(["a", "b", "c"], {"a": "A", "b": "A"}, {"a": 1, "c": 4})
    assert (found.artists, found.top_share, found.place) == (1, 1.0, 2.5)
    nothing = mix(["x"], {}, {})
    assert (nothing.artists, nothing.top_share, nothing.place) == (0, None, None)


def test_a_summary_is_of_means_and_of_median_places():
    lists = [Lists(["a", "b"], ["b", "c"]), Lists(["a"], ["a"]), Lists(["x"], ["y"])]
    mixes = [
        (Mix(2, 0.5, 10.0), Mix(1, 1.0, 40.0)),
        (Mix(1, 1.0, 20.0), Mix(1, 1.0, 30.0)),
        (Mix(0, None, None), Mix(1, 1.0, 90.0)),
    ]
    found = summary(lists, mixes)
    assert (found.listeners, found.overlap) == (3, pytest.approx((1 / 2 + 1 + 0) / 3))
    assert found.before == Mix(1.0, 0.75, 15.0)
    assert found.after == Mix(1.0, 1.0, 40.0)
    assert found.shift == 20.0  # of +30 and +10; who has no place moved nowhere
    (_, row) = lines({"next": found})
    assert " ".join(row.split()) == "next 3 0.50 1.0 -> 1.0 0.7500 -> 1 15 -> 40 20"


def test_the_best_by_inner_product_with_ties_by_id():
    assert best(np.array([1, 0], np.float32), IDS, ITEMS) == ["d", "a", "c", "b"]
    assert best(np.array([1, 0], np.float32), IDS, ITEMS, "d") == ["a", "c", "b"]


def test_the_best_ten_of_many_with_the_tie_at_the_border_by_id():
    ids = [f"s{n:02}" for n in range(40)]
    scores = np.array([[n % 20 // 2] for n in range(40)], np.float32)  # four songs of each score
    shuffled = np.random.default_rng(1).permutation(40)
    found = best(np.ones(1, np.float32), [ids[n] for n in shuffled], scores[shuffled])
    assert found == ["s18", "s19", "s38", "s39", "s16", "s17", "s36", "s37", "s14", "s15"]


def test_the_next_song_mixes_listener_and_song():
    ours = model()
    assert ours.next("u", "b", 0.0) == ["c", "a", "d"]
    assert ours.next("u", "b", 1.0) == ["d", "a", "c"]
    assert ours.next("u", "unknown", 0.3) == ours.home("u")


@pytest.mark.parametrize("song", ["a", "d"])
def test_the_current_song_is_not_next(song):
    assert song not in model().next("u", song, 0.7)


def test_unheard_lists_are_compared_where_both_have_them():
    _, lists = listed(model(1, u=["b"]), model(2, u=["c"]), "u", 0.7)
    assert lists[UNHEARD] == Lists(["b"], ["c"])
    _, lists = listed(model(1), model(2, u=["c"]), "u", 0.7)
    assert set(lists) == {ALL, NEXT}


def test_the_current_song_is_one_that_both_know():
    before, after = model(1), model(2)
    after = type(after)(after.manifest, after.users, IDS[:3], ITEMS[:3], {}, {})
    current, lists = listed(before, after, "u", 0.7)
    assert current == "a"  # `d` is nearer, and gone
    assert lists[ALL] == Lists(["d", "a", "c", "b"], ["a", "c", "b"])
    assert "a" not in lists[NEXT].before + lists[NEXT].after


def test_titles_are_shown_as_text():
    page = comparison_page("<i>u</i>")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;i&gt;u&lt;/i&gt;" in page
    assert page.count('class="tag good">came') == page.count('class="tag bad">went') == 1
    assert "1 of 2 stay" in page


def test_a_page_says_whom_it_shows():
    page = comparison_page("ann", '"b" & c').encode()
    assert shown_in(page, Erased([Erasure(listener_hash('"b" & c'), 0)])) == 1
    assert shown_in(page, Erased([Erasure(listener_hash("an"), 0, "an")])) == 0
