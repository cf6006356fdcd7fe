"""Ranking and session vectors: exact orders, and what must hold whatever the input."""

import random
from collections import Counter

import pytest

from serving.recommend.ranking import pick, without
from serving.recommend.session import taste_of


def song(track_id, artist_id=None):
    return {"track_id": track_id, "artist_id": artist_id}


def catalogue(*songs):
    known = {s["track_id"]: s for s in songs}
    return lambda ids: {i: known[i] for i in ids if i in known}


def test_artist_cap_keeps_the_best_and_goes_on():
    look_up = catalogue(song("a1", "A"), song("a2", "A"), song("a3", "A"), song("b1", "B"))
    candidates = [("a1", 4.0), ("a2", 3.0), ("a3", 2.0), ("b1", 1.0)]
    picked = pick(candidates, look_up, limit=3, per_artist=2)
    assert [(p.song["track_id"], p.score) for p in picked] == [
        ("a1", 4.0),
        ("a2", 3.0),
        ("b1", 1.0),
    ]


def test_songs_without_artist_are_not_capped():
    look_up = catalogue(*(song(f"s{i}") for i in range(5)))
    picked = pick([(f"s{i}", 1.0) for i in range(5)], look_up, limit=5, per_artist=1)
    assert len(picked) == 5


def test_a_track_that_is_no_song_leaves_its_place_to_the_next():
    picked = pick([("gone", 2.0), ("here", 1.0)], catalogue(song("here")), 1, per_artist=2)
    assert [p.song["track_id"] for p in picked] == ["here"]


def test_no_more_look_ups_than_needed():
    asked = []

    def look_up(ids):
        asked.append(len(list(ids)))
        return {i: song(i) for i in ids}

    assert len(pick([(f"s{i}", 1.0) for i in range(500)], look_up, 20, per_artist=2)) == 20
    assert asked == [40]


def test_without_drops_excluded_and_repeated():
    candidates = [("a", 3.0), ("b", 2.0), ("a", 1.0), ("c", 0.5)]
    assert without(candidates, {"b"}) == [("a", 3.0), ("c", 0.5)]


@pytest.mark.parametrize("seed", range(20))
def test_what_holds_for_any_catalogue(seed):
    """Against the plain definition: walk down the list, take what the rules allow."""
    rng = random.Random(seed)
    ids = [f"s{i}" for i in range(rng.randint(1, 300))]
    songs = [
        song(i, rng.choice([None, "A", "B", "C", "D", "E"])) for i in ids if rng.random() < 0.9
    ]
    artist = {s["track_id"]: s["artist_id"] for s in songs}
    candidates = [(i, rng.random()) for i in rng.choices(ids, k=len(ids))]
    excluded = set(rng.sample(ids, len(ids) // 4))
    limit, cap = rng.randint(1, 50), rng.randint(1, 4)

    expected, taken = [], Counter()
    for track_id, _ in candidates:
        fits = track_id in artist and track_id not in excluded and track_id not in expected
        if fits and (artist[track_id] is None or taken[artist[track_id]] < cap):
            taken[artist[track_id]] += 1
            expected.append(track_id)
    picked = pick(without(candidates, excluded), catalogue(*songs), limit, cap)
    assert [p.song["track_id"] for p in picked] == expected[:limit]


@pytest.mark.parametrize(
    ("user", "track", "expected"),
    [
        ([1.0, 0.0], [0.0, 2.0], ("session_vector", [0.7, 0.6])),
        ([1.0, 0.0], None, ("user_vector", [1.0, 0.0])),
        (None, [0.0, 2.0], ("song_vector", [0.0, 2.0])),
    ],
)
def test_session_vector(user, track, expected):
    taste = taste_of(user, track, user_weight=0.7)
    assert (taste.strategy, taste.vector) == (expected[0], pytest.approx(expected[1]))


def test_nothing_known_is_no_taste():
    assert taste_of(None, None, 0.7) is None


def test_vectors_of_two_factor_spaces_are_refused():
    with pytest.raises(ValueError, match="zip"):
        taste_of([1.0, 2.0], [1.0], 0.7)
