"""The ladder with stores that are dictionaries, any of which can be away."""

from dataclasses import dataclass, field

import pytest

from serving.recommend.ladder import FIRST_SEARCH, Ladder, Snapshot, Wish
from serving.recommend.sources import Away

GENERATION = "g20260101T0200_00000000"


@dataclass
class Memory:
    """Exact search over vectors held in memory; `away` names the stores that don't answer."""

    users: dict = field(default_factory=dict)
    items: dict = field(default_factory=dict)
    plays: dict = field(default_factory=dict)
    artists: dict = field(default_factory=dict)
    near: dict = field(default_factory=dict)
    prepared: dict = field(default_factory=dict)
    away: set = field(default_factory=set)
    searches: list = field(default_factory=list)

    def _ask(self, part):
        if part in self.away:
            raise Away(part)

    def recent(self, user_id):
        self._ask("redis")
        return self.plays.get(user_id, [])

    def user_vector(self, generation, user_id):
        self._ask("mongodb")
        assert generation == GENERATION
        return self.users.get(user_id)

    def song_vector(self, generation, track_id):
        self._ask("milvus")
        return self.items.get(track_id)

    def nearest(self, generation, vector, limit):
        self._ask("milvus")
        self.searches.append(limit)
        scores = {
            i: sum(a * b for a, b in zip(vector, v, strict=True)) for i, v in self.items.items()
        }
        return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]

    def neighbours(self, generation, track_id):
        self._ask("mongodb")
        assert generation == GENERATION
        return self.near.get(track_id, [])

    def nightly(self, generation, user_id):
        self._ask("mongodb")
        return self.prepared.get(user_id, [])

    def songs(self, track_ids):
        self._ask("mongodb")
        return {i: shown(i, self.artists.get(i)) for i in track_ids if i in self.items}


def shown(track_id, artist_id=None):
    return {"track_id": track_id, "artist_id": artist_id}


@pytest.fixture
def memory():
    items = {f"s{i}": [float(i), 1.0] for i in range(10)}
    return Memory(users={"u": [1.0, 0.0]}, items=items)


@pytest.fixture
def ladder(memory):
    return Ladder(memory, per_artist=2, user_weight=0.7)


@pytest.fixture
def snapshot():
    return Snapshot(GENERATION, [shown(f"s{i}") for i in range(5)])


def ids(answer):
    return [pick.song["track_id"] for pick in answer.picks]


def test_home_is_the_order_of_inner_products(ladder, snapshot):
    answer = ladder.answer(Wish("u", 3), snapshot)
    assert (answer.strategy, answer.degraded, answer.fallback) == ("user_vector", [], None)
    assert [(p.song["track_id"], p.score) for p in answer.picks] == [
        ("s9", 9.0),
        ("s8", 8.0),
        ("s7", 7.0),
    ]


def test_recent_plays_stay_out(memory, ladder, snapshot):
    memory.plays["u"] = ["s9", "s7"]
    assert ids(ladder.answer(Wish("u", 3), snapshot)) == ["s8", "s6", "s5"]


def test_recent_plays_come_back_rather_than_silence(memory, ladder, snapshot):
    memory.plays["u"] = list(memory.items)
    answer = ladder.answer(Wish("u", 2, unwanted=frozenset(["s9"])), snapshot)
    assert ids(answer) == ["s8", "s7"]


def test_unwanted_songs_never_come_back(memory, ladder, snapshot):
    answer = ladder.answer(Wish("u", 2, unwanted=frozenset(memory.items)), snapshot)
    assert (ids(answer), answer.strategy) == ([], "user_vector")


@pytest.mark.parametrize(
    ("user", "current", "strategy", "best"),
    [
        ("u", "s0", "session_vector", "s9"),
        ("u", "nobody knows", "user_vector", "s9"),
        ("stranger", "s0", "song_vector", "s0"),
        ("stranger", "nobody knows", "popular", "s0"),
    ],
)
def test_next_uses_what_is_known(ladder, snapshot, user, current, strategy, best):
    answer = ladder.answer(Wish(user, 1, current), snapshot)
    assert (answer.strategy, ids(answer)) == (strategy, [best])


def test_unknown_listener_gets_popular_songs_and_is_told(ladder, snapshot):
    answer = ladder.answer(Wish("stranger", 3), snapshot)
    assert (answer.strategy, answer.fallback) == ("popular", "unknown_listener")
    assert ids(answer) == ["s0", "s1", "s2"]


def test_before_the_first_generation(ladder):
    answer = ladder.answer(Wish("u", 1), Snapshot(None, [shown("s3")]))
    assert (answer.generation, answer.strategy, answer.fallback, ids(answer)) == (
        None,
        "popular",
        "no_generation",
        ["s3"],
    )


@pytest.mark.parametrize(
    ("away", "strategy", "degraded"),
    [
        ({"redis"}, "user_vector", ["redis"]),
        ({"milvus"}, "popular", ["milvus"]),
        ({"mongodb"}, "popular_memory", ["mongodb"]),
        ({"milvus", "redis"}, "popular", ["redis", "milvus"]),
        ({"milvus", "redis", "mongodb"}, "popular_memory", ["redis", "mongodb"]),
    ],
)
@pytest.mark.parametrize("current", [None, "s1"])
def test_each_part_away(memory, ladder, snapshot, away, strategy, degraded, current):
    memory.away = away
    answer = ladder.answer(Wish("u", 3, current), snapshot)
    expected = "session_vector" if current and strategy == "user_vector" else strategy
    assert (answer.strategy, answer.degraded) == (expected, degraded)
    assert len(set(ids(answer))) == 3


@pytest.mark.parametrize("current", [None, "s1"])
def test_without_the_index_the_night_has_prepared_something(memory, ladder, snapshot, current):
    memory.away = {"milvus"}
    memory.near = {"s1": [("s9", 0.8), ("s1", 0.5), ("s4", 0.2)]}
    memory.prepared = {"u": ["s7", "s9", "s8"]}
    memory.plays = {"u": ["s8"]}
    answer = ladder.answer(Wish("u", 5, current, frozenset({"s1"})), snapshot)
    assert answer.degraded == ["milvus"]
    if current:
        assert (answer.strategy, ids(answer)) == ("song_neighbours", ["s9", "s4", "s7", "s0", "s2"])
    else:
        assert (answer.strategy, ids(answer)) == ("nightly_list", ["s7", "s9", "s0", "s2", "s3"])


@pytest.mark.parametrize(
    ("unwanted", "strategy", "listed"),
    [
        ({"s1"}, "song_neighbours", ["s9", "s7"]),
        ({"s1", "s9"}, "nightly_list", ["s7", "s0"]),
        ({"s1", "s9", "s7"}, "popular", ["s0", "s2"]),
    ],
)
def test_an_answer_is_named_after_what_is_in_it(
    memory, ladder, snapshot, unwanted, strategy, listed
):
    """A neighbour that is no song of the catalogue names nothing either."""
    memory.away = {"milvus"}
    memory.near = {"s1": [("withdrawn", 0.9), ("s9", 0.8)]}
    memory.prepared = {"u": ["s7"]}
    answer = ladder.answer(Wish("u", 2, "s1", frozenset(unwanted)), snapshot)
    assert (answer.strategy, ids(answer), answer.degraded) == (strategy, listed, ["milvus"])


def test_what_the_night_prepared_is_capped_by_artist_too(memory, ladder, snapshot):
    memory.away = {"milvus"}
    memory.prepared = {"u": ["s7", "s8", "s9", "s6"]}
    memory.artists = {"s7": "A", "s8": "A", "s9": "A", "s6": "B"}
    assert ids(ladder.answer(Wish("u", 3), snapshot)) == ["s7", "s8", "s6"]


def test_mongodb_away_after_the_search(memory, ladder, snapshot):
    """The join fails: what is in memory is served, and MongoDB is named once."""
    memory.songs = lambda ids: memory._ask("mongodb")
    memory.away = {"mongodb"}
    memory.user_vector = lambda generation, user_id: [1.0, 0.0]
    answer = ladder.answer(Wish("u", 2), snapshot)
    assert (answer.strategy, answer.degraded) == ("popular_memory", ["mongodb"])


def test_artist_cap_holds_in_popular_lists(memory, ladder):
    memory.away = {"milvus", "mongodb"}
    popular = [shown(f"p{i}", "A" if i < 8 else "B") for i in range(10)]
    answer = ladder.answer(Wish("u", 5), Snapshot(GENERATION, popular))
    assert ids(answer) == ["p0", "p1", "p8", "p9"]


def test_searches_wider_when_one_artist_fills_the_first_search(memory, ladder, snapshot):
    memory.items = {f"s{i:04}": [float(i), 0.0] for i in range(700)}
    memory.artists = dict.fromkeys(sorted(memory.items)[100:], "A")
    answer = ladder.answer(Wish("u", 3), snapshot)
    assert ids(answer) == ["s0699", "s0698", "s0099"]
    assert memory.searches == [FIRST_SEARCH, 2 * FIRST_SEARCH, 4 * FIRST_SEARCH]
