"""The app over HTTP on the whole stack, with a generation live."""

import time
import uuid
from collections import Counter

import jwt
import numpy as np
import pytest
import requests

from jobs.contract import names
from jobs.contract.tokens import listener_token
from jobs.stores.cache import Cache
from jobs.stores.documents import database
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors

LISTENERS = 8
SONG_FIELDS = {
    "track_id",
    "title",
    "artist",
    "artist_id",
    "album",
    "genre",
    "duration_ms",
    "release_date",
    "image_url",
    "plays_7d",
    "plays_cumulative",
}


class App:
    """The running app, as one listener or nobody."""

    def __init__(self, stack):
        self.settings = stack.settings
        self.url = stack.app_url

    def ask(self, method, path, user=None, **given):
        headers = {}
        if user is not None:
            headers["Authorization"] = f"Bearer {listener_token(self.settings, user)}"
        return requests.request(method, self.url + path, headers=headers, timeout=30, **given)

    def get(self, path, user=None, **params):
        return self.ask("GET", path, user, params=params)

    def post(self, path, body, user=None):
        return self.ask("POST", path, user, json=body)


class Exact:
    """The live generation's factors, and the lists they give without any index."""

    def __init__(self, settings):
        live = Generations(settings)
        self.generation = live.live().generation
        live.close()
        db = database(settings)
        field = f"vectors.{self.generation}"
        found = db[names.USERS].find({field: {"$exists": True}}).limit(LISTENERS)
        self.users = {d["_id"]: np.array(d["vectors"][self.generation]) for d in found}
        self.artist = {d["_id"]: d.get("artist_id") for d in db[names.SONGS].find({})}
        db.client.close()
        self.ids = sorted(self.artist)
        vectors = Vectors(settings)
        self.items = {}
        for start in range(0, len(self.ids), 500):
            self.items |= vectors.get(self.generation, self.ids[start : start + 500])
        vectors.close()
        self.cap = settings.max_per_artist

    def best(self, vector, excluded, limit):
        """Return (track id, inner product) by the definition, artist cap and all."""
        ids = [i for i in self.ids if i in self.items]
        scores = np.array([self.items[i] for i in ids]) @ vector
        taken, listed = Counter(), []
        for at in np.argsort(-scores, kind="stable"):
            track, artist = ids[at], self.artist[ids[at]]
            if track in excluded or (artist is not None and taken[artist] == self.cap):
                continue
            taken[artist] += 1
            listed.append((track, scores[at]))
            if len(listed) == limit:
                break
        return listed


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


def test_pages_visit_every_song_once(app, exact):
    seen, cursor = [], None
    while True:
        page = app.get("/songs", limit=100, **({"cursor": cursor} if cursor else {}))
        seen += [s["track_id"] for s in page.json()["songs"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
        assert len(page.json()["songs"]) == 100
        assert requests.get(app.url + page.links["next"]["url"], timeout=30).ok
    assert "Link" not in page.headers
    assert seen == exact.ids


def test_pages_of_one_artist(app, exact):
    artist, count = Counter(filter(None, exact.artist.values())).most_common(1)[0]
    page = app.get("/songs", artist_id=artist, limit=100).json()
    assert {s["artist_id"] for s in page["songs"]} == {artist}
    assert len(page["songs"]) == min(count, 100)
    assert app.get("/songs", artist_id="nobody").json()["songs"] == []


def test_one_song(app, exact):
    song = app.get(f"/songs/{exact.ids[0]}").json()
    assert set(song) == SONG_FIELDS
    assert song["track_id"] == exact.ids[0]
    assert app.get("/songs/no-such-song").status_code == 404


def test_search_finds_by_title_and_artist_in_any_case(app):
    song = app.get("/songs", limit=100).json()["songs"][-1]
    for text in (song["title"].upper(), song["title"][:-1], f"{song['artist']} {song['title']}"):
        found = app.get("/search", q=text[:100], limit=100).json()["songs"]
        assert song["track_id"] in [s["track_id"] for s in found], text


@pytest.mark.parametrize("text", [".*", "^", "(", "[a-", "a{1,9999}", "\\", "$ne", '{"$gt": ""}'])
def test_search_takes_text_as_text(app, text):
    response = app.get("/search", q=text, limit=100)
    assert response.status_code == 200
    for song in response.json()["songs"]:
        shown = f"{song['title']}\n{song['artist']}".lower()
        assert all(word in shown for word in text.lower().split())


@pytest.mark.parametrize("name", ["q[$ne]", "q"])
def test_search_takes_no_operator(app, name):
    response = requests.get(f"{app.url}/search", params={name: "", "limit[$gt]": "1"}, timeout=30)
    assert response.status_code == 400


def test_problems_are_problems_everywhere(app):
    for response, status in [
        (app.get("/nothing"), 404),
        (app.get("/songs/none"), 404),
        (app.get("/songs", limit=0), 400),
        (app.get("/search"), 400),
        (app.get("/recommend/home"), 401),
        (app.post("/recommend/next", {}), 401),
        (app.post("/recommend/next", {"n": 0}, "u"), 400),
        (app.ask("POST", "/recommend/next", "u", data="{"), 415),
        (app.ask("DELETE", "/events"), 405),
        (app.post("/events", {"events": ["x" * 66_000]}, "u"), 413),
    ]:
        assert response.status_code == status, response.url
        assert response.headers["Content-Type"] == "application/problem+json"
        body = response.json()
        assert body["status"] == status
        assert body["request_id"] == response.headers["X-Request-Id"]


def test_tokens_of_others_are_refused(app):
    good = listener_token(app.settings, "u")
    claims = jwt.decode(good, options={"verify_signature": False})
    key = app.settings.token_secret
    for token in [
        jwt.encode(claims, "x" * 32, algorithm="HS256"),
        jwt.encode(claims | {"exp": 1}, key, algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
        good[:-2],
    ]:
        headers = {"Authorization": f"Bearer {token}"}
        response = requests.get(f"{app.url}/recommend/home", headers=headers, timeout=30)
        assert response.status_code == 401
        assert "invalid_token" in response.headers["WWW-Authenticate"]


def test_dev_token_of_the_local_stack(app):
    token = app.post("/dev/token", {"user_id": "u"}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    home = requests.get(f"{app.url}/recommend/home", headers=headers, timeout=30)
    assert home.json()["user_id"] == "u"


def test_ready(app, exact):
    assert app.get("/livez").json() == {"status": "ok"}
    ready = app.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["generation"] == exact.generation
    assert ready.json()["degraded"] == []
    assert ready.json()["published_at"]
