"""The ladder with stores that are dictionaries, any of which can be away."""

import numpy as np
import pytest

from serving.recommend.climb import FIRST_SEARCH, Options, Wish
from serving.recommend.ladder import Ladder
from serving.recommend.listener import Snapshot
from serving.recommend.model import Model, Training
from serving.recommend.sources import Bans, Memory
from tests.unit.fake_sources import GENERATION, FakeSources, shown

NOW = 1_760_000_000_000
HOUR = 3_600_000


@pytest.fixture
def sources():
    items = {f"s{i}": [float(i), 1.0] for i in range(10)}
    return FakeSources(users={"u": [1.0, 0.0]}, items=items)


@pytest.fixture
def ladder(sources):
    return Ladder(sources, Options(strategy="session_vector"))


@pytest.fixture
def hybrid(sources):
    return Ladder(sources, Options())


def snapshot_of(sources, popular=5, model=True):
    held = None
    if model:
        matrix = np.array(list(sources.items.values()), dtype=np.float32)
        held = Model(list(sources.items), matrix, Training(alpha=10.0, reg=0.1))
    songs = [shown(f"s{i}") for i in range(popular)]
    return Snapshot(GENERATION, songs, model=held, trained_until_ms=NOW - HOUR)


@pytest.fixture
def snapshot(sources):
    return snapshot_of(sources)


def wish(user="u", limit=3, current=None, **more):
    return Wish(user, limit, NOW, current, **more)


def ids(answer):
    return [pick.track_id for pick in answer.picks]


def test_home_is_the_order_of_inner_products(ladder, snapshot):
    answer = ladder.answer(wish(), snapshot)
    assert (answer.strategy, answer.degraded, answer.fallback) == ("user_vector", [], None)
    assert [(p.track_id, p.score) for p in answer.picks] == [("s9", 9.0), ("s8", 8.0), ("s7", 7.0)]


def test_what_was_heard_lately_rests_and_comes_back(sources, ladder, snapshot):
    """Plays from before the training: they rest, and they move nothing."""
    sources.recent["u"] = [("s9", NOW - 2 * HOUR), ("s7", NOW - 23 * HOUR), ("s8", NOW - 25 * HOUR)]
    answer = ladder.answer(wish(), snapshot)
    assert (answer.strategy, ids(answer)) == ("user_vector", ["s8", "s6", "s5"])


def test_recent_plays_come_back_rather_than_silence(sources, ladder, snapshot):
    sources.recent["u"] = [(track_id, NOW - 2 * HOUR) for track_id in sources.items]
    answer = ladder.answer(wish(limit=2, queued=("s9",)), snapshot)
    assert ids(answer) == ["s8", "s7"]


def test_songs_of_the_wish_never_come_back(sources, ladder, snapshot):
    answer = ladder.answer(wish(limit=2, queued=tuple(sources.items)), snapshot)
    assert (ids(answer), answer.fallback) == ([], "nothing_else_left")


def test_what_the_generation_does_not_know_comes_last(sources, ladder, snapshot):
    sources.catalogue = ["new1", "new2"]
    played = tuple(sources.items)[:-1]
    answer = ladder.answer(wish(limit=2, before=played), snapshot)
    assert (ids(answer), answer.strategy) == (["s9"], "user_vector")
    answer = ladder.answer(wish(limit=2, before=(*played, "s9")), snapshot)
    assert (ids(answer), answer.strategy) == (["new1", "new2"], "catalogue")
    answer = ladder.answer(wish(limit=2, before=(*played, "s9", "new1", "new2")), snapshot)
    assert ids(answer) == []


def test_the_last_song_is_found_behind_all_those_of_a_banned_artist(sources, ladder, snapshot):
    sources.catalogue = [*(f"banned{n}" for n in range(250)), "last"]
    sources.artists = {track_id: "A" for track_id in sources.catalogue if track_id != "last"}
    sources.bans = {"u": Bans(artists=frozenset({"A"}))}
    played = tuple(sources.items)
    answer = ladder.answer(wish(limit=2, before=played), snapshot)
    assert (ids(answer), answer.strategy) == (["last"], "catalogue")
    assert ids(ladder.answer(wish(limit=2, before=(*played, "last")), snapshot)) == []


@pytest.mark.parametrize(
    ("user", "current", "strategy", "best"),
    [
        ("u", "s0", "session_vector", "s9"),
        ("u", "nobody knows", "user_vector", "s9"),
        ("stranger", "s1", "song_vector", "s9"),
        ("stranger", "nobody knows", "popular", "s0"),
    ],
)
def test_next_uses_what_is_known(ladder, snapshot, user, current, strategy, best):
    answer = ladder.answer(wish(user, 1, current), snapshot)
    assert (answer.strategy, ids(answer)) == (strategy, [best])


def test_unknown_listener_gets_popular_songs_and_is_told(ladder, snapshot):
    answer = ladder.answer(wish("stranger"), snapshot)
    assert (answer.strategy, answer.fallback) == ("popular", "unknown_listener")
    assert ids(answer) == ["s0", "s1", "s2"]


def test_before_the_first_generation(ladder):
    answer = ladder.answer(wish(limit=1), Snapshot(None, [shown("s3")]))
    assert (answer.generation, answer.strategy, answer.fallback, ids(answer)) == (
        None,
        "popular",
        "no_generation",
        ["s3"],
    )


AWAY = [
    ({"redis"}, "user_vector", ["redis"]),
    ({"milvus"}, "user_vector", ["milvus"]),
    ({"milvus", "redis"}, "user_vector", ["redis", "milvus"]),
    ({"mongodb"}, "popular_memory", ["mongodb"]),
    ({"milvus", "redis", "mongodb"}, "popular_memory", ["redis", "mongodb"]),
]


@pytest.mark.parametrize(("away", "strategy", "degraded"), AWAY)
@pytest.mark.parametrize("current", [None, "s1"])
def test_each_part_away(sources, ladder, snapshot, away, strategy, degraded, current):
    """The factors in memory stand in for Milvus; without the listener there is the song."""
    sources.away = away
    answer = ladder.answer(wish(current=current), snapshot)
    if current:
        strategy = {"popular_memory": "song_vector"}.get(strategy, "session_vector")
        degraded = degraded + ["milvus"] * (away == {"milvus", "redis", "mongodb"})
    assert (answer.strategy, answer.degraded) == (strategy, degraded)
    assert len(set(ids(answer))) == 3


def test_without_milvus_the_songs_are_the_same(sources, ladder, snapshot):
    before = ladder.answer(wish(limit=5), snapshot)
    sources.away = {"milvus"}
    after = ladder.answer(wish(limit=5), snapshot)
    assert [(p.track_id, p.score) for p in after.picks] == [
        (p.track_id, p.score) for p in before.picks
    ]


def test_without_mongodb_the_last_plays_make_a_vector(sources, ladder, snapshot):
    sources.recent["u"] = [("s9", NOW - 2 * HOUR), ("s3", NOW)]
    sources.away = {"mongodb"}
    sources.in_memory = {t: shown(t) for t in ("s1", "s8", "s6")}
    answer = ladder.answer(wish(), snapshot)
    assert (answer.strategy, answer.degraded) == ("fold_in", ["mongodb"])
    assert set(ids(answer)) <= {"s8", "s6", "s0", "s1", "s2", "s4"}  # what is in memory
    assert len(ids(answer)) == 3


@pytest.mark.parametrize("current", [None, "s1"])
def test_without_index_and_factors_the_night_has_prepared_something(sources, hybrid, current):
    snapshot = snapshot_of(sources, model=False)
    sources.away = {"milvus"}
    sources.near = {"s1": [("s9", 0.8), ("s1", 0.5), ("s4", 0.2)]}
    sources.prepared = {"u": ["s7", "s9", "s8"]}
    sources.recent = {"u": [("s8", NOW)]}
    answer = hybrid.answer(wish(limit=5, current=current), snapshot)
    assert answer.degraded == ["factors", "milvus"]
    if current:
        assert answer.strategy == "song_neighbours"
        assert ids(answer) == ["s9", "s4", "s7", "s0", "s2"]
        assert [p.reason.kind for p in answer.picks] == [
            *("session", "session", "nightly"),
            *("popular", "popular"),
        ]
    else:
        assert answer.strategy == "nightly_list"
        assert ids(answer) == ["s7", "s9", "s0", "s1", "s2"]


@pytest.mark.parametrize(
    ("queued", "strategy", "listed"),
    [
        ((), "song_neighbours", ["s9", "s7"]),
        (("s9",), "nightly_list", ["s7", "s0"]),
        (("s9", "s7"), "popular", ["s0", "s2"]),
    ],
)
def test_an_answer_is_named_after_what_is_in_it(sources, hybrid, queued, strategy, listed):
    """A neighbour that is no song of the catalogue names nothing either."""
    sources.away = {"milvus"}
    sources.near = {"s1": [("withdrawn", 0.9), ("s9", 0.8)]}
    sources.prepared = {"u": ["s7"]}
    snapshot = snapshot_of(sources, model=False)
    answer = hybrid.answer(wish(limit=2, current="s1", queued=queued), snapshot)
    assert (answer.strategy, ids(answer)) == (strategy, listed)


def test_artist_cap_holds_in_popular_lists(sources, ladder):
    sources.away = {"milvus", "mongodb"}
    popular = [shown(f"p{i}", "A" if i < 8 else "B") for i in range(10)]
    answer = ladder.answer(wish(limit=5), Snapshot(GENERATION, popular))
    assert ids(answer) == ["p0", "p1", "p8", "p9"]


def test_searches_wider_when_one_artist_fills_the_first_search(sources, ladder, snapshot):
    sources.items = {f"s{i:04}": [float(i), 0.0] for i in range(2000)}
    sources.artists = dict.fromkeys(sorted(sources.items)[100:], "A")
    answer = ladder.answer(wish(), snapshot)
    assert ids(answer) == ["s1999", "s1998", "s0099"]
    assert sources.searches == [FIRST_SEARCH, 4 * FIRST_SEARCH, 16 * FIRST_SEARCH]


def test_new_plays_count_at_once(sources, ladder, snapshot):
    """Of two tastes the listener was trained on one, and now plays the other."""
    sources.items = {f"s{i}": [float(i < 5), float(i >= 5)] for i in range(10)}
    sources.users = {"u": [1.0, 0.0]}
    sources.window = {"u": {"s0": 1.0}}
    snapshot = snapshot_of(sources)
    assert set(ids(ladder.answer(wish(), snapshot))) <= {"s0", "s1", "s2", "s3", "s4"}
    sources.recent["u"] = [("s5", NOW), ("s6", NOW), ("s7", NOW)]
    answer = ladder.answer(wish(limit=2), snapshot)
    assert (answer.strategy, set(ids(answer))) == ("fold_in", {"s8", "s9"})
    assert [song for song, _ in answer.picks[0].reason.songs] == ["s5", "s6", "s7"]


def test_each_play_of_a_session_without_account_moves_the_answer(sources, hybrid, snapshot):
    sources.items = {f"s{i}": [float(i % 2), float(i % 2 == 0)] for i in range(10)}
    snapshot = snapshot_of(sources)
    odd = hybrid.answer(Wish(None, 2, NOW, "s1"), snapshot)
    even = hybrid.answer(Wish(None, 2, NOW, "s2", before=("s1", "s4")), snapshot)
    assert set(ids(odd)) == {"s3", "s5"}
    assert set(ids(even)) == {"s0", "s6"}


def test_bans_hold_on_every_rung(sources, ladder, snapshot):
    sources.artists = {"s8": "A", "s7": "A", "s0": "A"}
    sources.bans = {"u": Bans(frozenset({"s9"}), frozenset({"A"}))}
    for away in (set(), {"milvus"}, {"redis"}, {"mongodb"}, {"mongodb", "milvus", "redis"}):
        sources.away = away
        for each in (wish(limit=9), wish(limit=9, current="s1")):
            got = ids(ladder.answer(each, snapshot))
            assert got
            assert not {"s9", "s8", "s7"} & set(got), away


def test_an_early_skip_lowers_what_is_like_it(sources, ladder):
    sources.items = {"a1": [1.0, 0.0], "a2": [0.9, 0.0], "b1": [0.0, 0.8], "b2": [0.0, 0.7]}
    sources.users = {"u": [1.0, 1.0]}
    snapshot = snapshot_of(sources)
    assert ids(ladder.answer(wish(), snapshot)) == ["a1", "a2", "b1"]
    sources.skipped = {"u": [("a1", NOW)]}
    assert ids(ladder.answer(wish(), snapshot)) == ["b1", "b2", "a2"]


def test_what_is_wanted_less_rests_and_lowers_what_is_like_it(sources, ladder):
    sources.items = {"a1": [1.0, 0.0], "a2": [0.9, 0.0], "b1": [0.0, 0.8], "b2": [0.0, 0.7]}
    sources.users = {"u": [1.0, 1.0]}
    sources.less = {"u": frozenset({"a1"})}
    assert ids(ladder.answer(wish(), snapshot_of(sources))) == ["b1", "b2", "a2"]


@pytest.mark.parametrize("strategy", ["session_vector", "session_hybrid"])
def test_a_queue_has_its_share_of_new_songs(sources, ladder, snapshot, strategy):
    sources.window = {"u": {f"s{i}": 1.0 for i in (8, 7, 6, 5)}}
    for familiar, heard in [(1.0, 4), (0.5, 2), (0.0, 0)]:
        asked = wish(limit=4, current="s9", familiar=familiar, strategy=strategy)
        got = ids(ladder.answer(asked, snapshot))
        assert (len(set(got)), len(set(got) & set(sources.window["u"]))) == (4, heard)
    sources.window = {"u": dict.fromkeys(sources.items, 1.0)}
    asked = wish(limit=4, current="s9", familiar=0.0, strategy=strategy)
    assert len(set(ids(ladder.answer(asked, snapshot)))) == 4


def test_at_least_a_share_of_the_list_is_new(sources, ladder, snapshot):
    sources.window = {"u": {f"s{i}": 1.0 for i in (9, 8, 7, 6)}}
    for familiar, expected in [
        (1.0, ["s9", "s8", "s7", "s6"]),
        (0.5, ["s9", "s8", "s5", "s4"]),
        (0.0, ["s5", "s4", "s3", "s2"]),
    ]:
        got = ids(ladder.answer(wish(limit=4, familiar=familiar), snapshot))
        assert got == expected
    # Where nothing unheard is left, the list is filled all the same.
    sources.window = {"u": dict.fromkeys(sources.items, 1.0)}
    assert len(ids(ladder.answer(wish(limit=4, familiar=0.0), snapshot))) == 4


def test_shelves_are_four_and_share_no_song(sources, hybrid):
    sources.items = {f"s{i:02}": [float(i), 1.0] for i in range(80)}
    sources.window = {"u": {"s79": 3.0, "s01": 1.0}}
    sources.near = {"s79": [(f"s{i:02}", 1.0 / (i + 1)) for i in range(30)]}
    snapshot = snapshot_of(sources)
    snapshot = Snapshot(
        GENERATION, [shown(f"s{i:02}") for i in range(40, 80)], None, snapshot.model, NOW
    )
    answer, shelves = hybrid.home(wish(limit=20), snapshot, Memory())
    assert [s.id for s in shelves] == ["made_for_you", "because", "new_for_you", "popular"]
    assert shelves[0].picks == answer.picks
    assert [len(s.picks) for s in shelves] == [20, 10, 10, 10]
    assert shelves[1].seed == "s79"
    listed = [p.track_id for s in shelves for p in s.picks]
    assert len(set(listed)) == len(listed)
    assert not {p.track_id for p in shelves[2].picks} & set(sources.window["u"])
    assert [p.reason.kind for p in shelves[3].picks] == ["popular"] * 10


def test_a_queue_of_sixty_holds_its_contract(sources, hybrid):
    """No song and no work twice, two of an artist in any five, nothing banned, until all is out."""
    draw = np.random.default_rng(3)
    sources.items = {f"s{i:02}": list(map(float, draw.normal(size=4))) for i in range(90)}
    sources.artists = {track_id: f"A{n % 12}" for n, track_id in enumerate(sources.items)}
    # Every tenth song is another version of the one before it.
    sources.titles = {t: f"Song {n - (n % 10 == 9)}" for n, t in enumerate(sources.items)}
    sources.artists |= {
        t: sources.artists[f"s{n - 1:02}"] for n, t in enumerate(sources.items) if n % 10 == 9
    }
    sources.users = {"u": [1.0, 0.5, 0.0, 0.0]}
    sources.bans = {"u": Bans(frozenset({"s05"}), frozenset({"A3"}))}
    snapshot = snapshot_of(sources)
    queue = ["s00"]
    while len(queue) <= 60:
        answer = hybrid.answer(wish(limit=1, current=queue[-1], before=tuple(queue[:-1])), snapshot)
        assert len(answer.picks) == 1, f"nothing behind {len(queue)} songs"
        queue.append(ids(answer)[0])
    songs = [shown(t, sources.artists[t], sources.titles[t]) for t in queue]
    assert len(set(queue)) == 61
    works = {(song["artist_id"], song["title"]) for song in songs}
    assert len(works) == 61
    artists = [song["artist_id"] for song in songs]
    assert all(max(map(artists[n : n + 5].count, artists[n : n + 5])) <= 2 for n in range(57))
    assert "s05" not in queue
    assert "A3" not in artists
    allowed = {t for t, a in sources.artists.items() if a != "A3"} - {"s05"}
    while (
        answer := hybrid.answer(wish(limit=1, current=queue[-1], before=tuple(queue)), snapshot)
    ).picks:
        queue.append(ids(answer)[0])
    left = allowed - set(queue)
    works = {(sources.artists[t], sources.titles[t]) for t in queue}
    assert all((sources.artists[t], sources.titles[t]) in works for t in left)
    assert (answer.strategy, answer.fallback) == ("catalogue", "nothing_else_left")
