"""Recommendations and events over HTTP on the whole stack, with a generation live."""

import time
import uuid
from collections import Counter
from contextlib import closing

import numpy as np
import pytest
import requests

from jobs.contract.errors import NotPublished
from jobs.contract.names import GENERATION_HEADER, SERVING_STATE
from jobs.contract.tokens import operator_token
from jobs.smoke import Smoke
from jobs.stores.cache import Cache
from jobs.stores.documents import Documents
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors
from tests.integration.serving_app import SONG_FIELDS, App, Exact


@pytest.fixture(scope="module")
def app(stack):
    return App(stack)


@pytest.fixture(scope="module")
def exact(published, stack):
    return Exact(stack.settings)


@pytest.fixture
def cache(stack):
    cache = Cache(stack.settings)
    yield cache
    cache.close()


def check_list(exact, answer, vector, excluded, limit):
    """Hold an answer against the exact list; return how many of its songs are in that one."""
    expected = exact.best(vector, excluded, limit)
    got = [(s["track_id"], s["score"]) for s in answer["songs"]]
    assert answer["generation"] == exact.generation
    assert len({track for track, _ in got}) == len(got) == len(expected)
    assert [s["rank"] for s in answer["songs"]] == list(range(1, len(got) + 1))
    assert all(set(s) >= SONG_FIELDS for s in answer["songs"])
    scores = [score for _, score in got]
    assert scores == sorted(scores, reverse=True)
    truth = [float(np.array(exact.items[track]) @ vector) for track, _ in got]
    assert scores == pytest.approx(truth, rel=1e-3, abs=1e-4)
    artists = Counter(s["artist_id"] for s in answer["songs"] if s["artist_id"] is not None)
    assert max(artists.values()) <= exact.cap
    assert not {track for track, _ in got} & set(excluded)
    return len({track for track, _ in got} & {track for track, _ in expected})


def test_home_is_the_exact_list(app, exact, cache):
    hits = 0
    for user, vector in exact.users.items():
        answer = app.get("/recommend/home", user, limit=20).json()
        assert (answer["strategy"], answer["degraded"], answer["user_id"]) == (
            "user_vector",
            [],
            user,
        )
        hits += check_list(exact, answer, vector, cache.recent(user), 20)
    # The index is approximate; what it may miss is bounded at publication.
    assert hits >= 0.95 * 20 * len(exact.users)


def test_next_is_the_exact_list_for_the_session(app, exact, cache):
    hits = 0
    playable = [i for i in exact.ids if i in exact.items]
    for number, (user, vector) in enumerate(exact.users.items()):
        current, *queued = playable[number * 7 : number * 7 + 5]
        body = {"current": current, "queued": queued, "recent": playable[-3:], "n": 10}
        answer = app.post("/recommend/next", body, user).json()
        assert (answer["strategy"], answer["exhausted"]) == ("session_vector", False)
        mixed = 0.7 * vector + 0.3 * np.array(exact.items[current])
        excluded = [current, *queued, *playable[-3:], *cache.recent(user)]
        hits += check_list(exact, answer, mixed, excluded, 10)
    assert hits >= 0.95 * 10 * len(exact.users)


def test_next_from_what_is_known(app, exact):
    user = next(iter(exact.users))
    track = next(i for i in exact.ids if i in exact.items)
    for who, current, strategy in [
        ("nobody", track, "song_vector"),
        (user, "no such song", "user_vector"),
        ("nobody", "no such song", "popular"),
    ]:
        answer = app.post("/recommend/next", {"current": current}, who)
        assert answer.headers["Cache-Control"] == "no-store"
        assert (answer.json()["strategy"], len(answer.json()["songs"])) == (strategy, 5)


def test_unknown_listener_gets_the_popular_songs_of_the_generation(app, exact, stack):
    response = app.get("/recommend/home", "nobody", limit=10)
    answer = response.json()
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert (answer["strategy"], answer["fallback"]) == ("popular", "unknown_listener")
    generations = Generations(stack.settings)
    popular = generations.popular(exact.generation)
    generations.close()
    places = [popular.index(s["track_id"]) for s in answer["songs"]]
    assert len(places) == 10
    assert places == sorted(places)


def played(track, **changes):
    now = int(time.time() * 1000)
    event = {"event_id": str(uuid.uuid4()), "track_id": track, "timestamp": now}
    return event | {"action": "listen", "duration": 90, "total_duration": 180} | changes


def test_what_was_played_just_now_is_not_recommended(app, exact):
    user = list(exact.users)[-1]
    before = [s["track_id"] for s in app.get("/recommend/home", user).json()["songs"]]
    events = [played(before[0]), played(before[2]), played(before[1], action="skip")]
    response = app.post("/events", {"events": events}, user)
    assert response.status_code == 202
    assert [r["status"] for r in response.json()["results"]] == ["accepted"] * 3
    after = [s["track_id"] for s in app.get("/recommend/home", user).json()["songs"]]
    assert not {before[0], before[2]} & set(after)
    assert after[0] == before[1]
    following = app.post("/recommend/next", {"current": before[1], "n": 10}, user).json()
    assert not {before[0], before[1], before[2]} & {s["track_id"] for s in following["songs"]}


def test_each_event_is_judged_alone(app):
    good, bad = played("t"), played("t", user_id="somebody else")
    results = app.post("/events", {"events": [bad, good, 7]}, "judged").json()["results"]
    assert [r["status"] for r in results] == ["rejected", "accepted", "rejected"]
    assert results[1] == {"event_id": good["event_id"], "status": "accepted"}
    assert results[0]["reason"].startswith("user_id")


def test_an_operator_may_ask_for_any_servable_generation(stack, app, exact):
    user = next(iter(exact.users))
    operator = {"Authorization": f"Bearer {operator_token(stack.settings, user)}"}

    def home(generation, headers):
        wanted = headers | {GENERATION_HEADER: generation}
        return requests.get(f"{app.url}/recommend/home", headers=wanted, timeout=30)

    live = home(exact.generation, operator)
    assert (live.status_code, live.json()["generation"]) == (200, exact.generation)
    assert live.json()["strategy"] == "user_vector"
    assert home(exact.generation, stack.headers(user)).status_code == 403
    assert home("g20000101T0000_00000000", operator).status_code == 404
    for wrong in ("yesterday", "g20000101T0000_0000000", "../" + exact.generation):
        assert home(wrong, operator).status_code == 400


def test_a_smoke_test_finds_what_is_wrong_before_listeners_do(stack, exact):
    """The app answers rightly; a generation whose vectors were changed behind it does not."""
    settings = stack.settings
    gone = settings.model_copy(update={"serving_url": "http://127.0.0.1:9"})
    with (
        closing(Documents(settings)) as documents,
        closing(Changed(settings)) as changed,
        closing(Vectors(settings)) as vectors,
        closing(Smoke(settings, documents, vectors)) as sound,
        closing(Smoke(settings, changed, vectors)) as other,
        closing(Smoke(gone, documents, vectors)) as away,
    ):
        sound.test(exact.generation)
        with pytest.raises(NotPublished, match="answered 404"):
            other.test("g20000101T0000_00000000")
        with pytest.raises(NotPublished, match="where its vectors say"):
            other.test(exact.generation)
        with pytest.raises(NotPublished, match="does not answer"):
            away.test(exact.generation)


class Changed(Documents):
    """Vectors that are not those the app reads."""

    def some_vectors(self, generation, limit):
        found = super().some_vectors(self._live(), limit)
        return {user: [2 * x for x in vector] for user, vector in found.items()}

    def _live(self):
        return str(self._db[SERVING_STATE].find_one()["generation"])
