"""Ranking: exact orders, and what must hold whatever the input."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from serving.recommend.ranking import Rules, pick, without
from serving.recommend.sources import Bans
from serving.recommend.works import clean_title, work_of
from tests.unit.fake_sources import shown


def catalogue(*songs):
    known = {s["track_id"]: s for s in songs}
    return lambda ids: {i: known[i] for i in ids if i in known}


def test_artist_cap_keeps_the_best_and_goes_on():
    look_up = catalogue(shown("a1", "A"), shown("a2", "A"), shown("a3", "A"), shown("b1", "B"))
    candidates = [("a1", 4.0), ("a2", 3.0), ("a3", 2.0), ("b1", 1.0)]
    picked = pick(candidates, look_up, 3, Rules(per_artist=2))
    assert [(p.track_id, p.score) for p in picked] == [("a1", 4.0), ("a2", 3.0), ("b1", 1.0)]


def test_a_queue_lets_a_song_wait_for_others_of_its_artist():
    songs = [shown(f"a{n}", "A") for n in range(4)] + [shown(f"b{n}", f"B{n}") for n in range(6)]
    candidates = [(song["track_id"], 1.0) for song in songs]
    picked = pick(candidates, catalogue(*songs), 8, Rules(2, queue=True, before=[shown("x", "A")]))
    assert [p.track_id for p in picked] == ["a0", "b0", "b1", "b2", "a1", "a2", "b3", "b4"]


def test_songs_without_artist_are_not_capped():
    look_up = catalogue(*(shown(f"s{i}") for i in range(5)))
    picked = pick([(f"s{i}", 1.0) for i in range(5)], look_up, 5, Rules(per_artist=1))
    assert len(picked) == 5


def test_a_track_that_is_no_song_leaves_its_place_to_the_next():
    picked = pick([("gone", 2.0), ("here", 1.0)], catalogue(shown("here")), 1, Rules(2))
    assert [p.track_id for p in picked] == ["here"]


def test_what_cannot_be_played_is_not_listed():
    songs = [shown("a") | {"playable": False}, shown("b") | {"playable": True}, shown("c")]
    picked = pick([(s["track_id"], 1.0) for s in songs], catalogue(*songs), 3, Rules(2))
    assert [p.track_id for p in picked] == ["b", "c"]


def test_no_more_look_ups_than_needed():
    asked = []

    def look_up(ids):
        asked.append(len(list(ids)))
        return {i: shown(i) for i in ids}

    assert len(pick([(f"s{i}", 1.0) for i in range(500)], look_up, 20, Rules(2))) == 20
    assert asked == [40]


def test_without_drops_excluded_and_repeated():
    candidates = [("a", 3.0), ("b", 2.0), ("a", 1.0), ("c", 0.5)]
    assert list(without(candidates, {"b"})) == [("a", 3.0), ("c", 0.5)]


@st.composite
def worlds(draw):
    """A catalogue, candidates of it and of nothing, rules, and how many are asked for."""
    artists = st.sampled_from([None, "A", "B", "C", "D"])
    titles = st.sampled_from(["One", "One (Live)", "Two", "Three - Remastered 2009", "Three"])
    songs = [
        shown(f"s{n}", artist, title)
        for n, (artist, title) in enumerate(draw(st.lists(st.tuples(artists, titles), max_size=60)))
    ]
    ids = [song["track_id"] for song in songs] + ["gone"]
    before = draw(st.lists(st.sampled_from(songs), max_size=6)) if songs else []
    bans = Bans(
        frozenset(draw(st.lists(st.sampled_from(ids), max_size=3))),
        frozenset(draw(st.lists(st.sampled_from(["A", "B"]), max_size=1))),
    )
    rules = Rules(
        per_artist=draw(st.integers(1, 3)),
        queue=draw(st.booleans()),
        before=before,
        bans=bans,
        heard=frozenset(draw(st.lists(st.sampled_from(ids)))),
        most_heard=draw(st.none() | st.integers(0, 5)),
    )
    order = draw(st.permutations(ids))
    return songs, [(track_id, None) for track_id in order], rules, draw(st.integers(1, 30))


@given(worlds())
def test_what_holds_for_any_catalogue(world):
    songs, candidates, rules, limit = world
    picked = [p.song for p in pick(candidates, catalogue(*songs), limit, rules)]
    ids = [song["track_id"] for song in picked]
    assert len(picked) <= limit
    assert set(ids) <= {song["track_id"] for song in songs}
    works = [work_of(song) for song in (*rules.before, *picked)]
    assert len(set(works)) == len(set(map(work_of, rules.before))) + len(picked)
    assert not set(ids) & rules.bans.songs
    assert not {song["artist_id"] for song in picked} & rules.bans.artists
    if rules.most_heard is not None:
        assert len(set(ids) & set(rules.heard)) <= rules.most_heard
    artists = [song["artist_id"] for song in picked]
    if not rules.queue:
        counts = Counter(artist for artist in artists if artist is not None)
        assert max(counts.values(), default=0) <= rules.per_artist
        assert ids == sorted(ids, key=[track_id for track_id, _ in candidates].index)
    else:
        row = [song["artist_id"] for song in rules.before] + artists
        for end in range(len(rules.before), len(row)):
            window = Counter(a for a in row[max(0, end - 4) : end + 1] if a is not None)
            assert row[end] is None or window[row[end]] <= rules.per_artist


@given(worlds())
def test_nothing_that_fits_is_left_out(world):
    """A list that is short has nothing left that it could take."""
    songs, candidates, rules, limit = world
    picked = [p.song for p in pick(candidates, catalogue(*songs), limit, rules)]
    if len(picked) == limit:
        return
    for song in songs:
        if song not in picked:
            longer = Rules(
                rules.per_artist,
                rules.queue,
                [*rules.before, *picked],
                rules.bans,
                rules.heard,
                None
                if rules.most_heard is None
                else rules.most_heard - len({s["track_id"] for s in picked} & set(rules.heard)),
            )
            room = Counter(s["artist_id"] for s in picked)[song["artist_id"]] < rules.per_artist
            alone = pick([(song["track_id"], None)], catalogue(song), 1, longer)
            assert not alone or (not rules.queue and song["artist_id"] is not None and not room)


def test_versions_of_a_work_are_one():
    same = ["Yesterday", "Yesterday (Remastered 2009)", "YESTERDAY - Live at Home", "Yesterday!"]
    assert {clean_title(title) for title in same} == {"yesterday"}
    assert clean_title("Empire State of Mind feat. Alicia Keys") == "empire state of mind"
    assert clean_title("(What's the Story)") == "what s the story"
    assert clean_title("Song 2") != clean_title("Song 3")
    assert clean_title("Live and Let Die") == "live and let die"
    assert clean_title("Anti-Hero") == "anti hero"
    one, other = shown("a", "A", "Same"), shown("b", "B", "Same")
    assert work_of(one) != work_of(other)
    assert work_of(shown("a", None, "Same")) != work_of(shown("b", None, "Same"))
