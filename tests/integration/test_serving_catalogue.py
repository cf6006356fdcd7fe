"""Songs, search, errors, tokens and health over HTTP on the whole stack."""

from collections import Counter

import jwt
import pytest
import requests

from jobs.contract.tokens import listener_token
from tests.integration.serving_app import SONG_FIELDS, App, Exact


@pytest.fixture(scope="module")
def app(stack):
    return App(stack)


@pytest.fixture(scope="module")
def exact(published, stack):
    return Exact(stack.settings)


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


def test_search_finds_by_title_and_artist_in_any_case(app, exact):
    song = app.get(f"/songs/{next(t for t in exact.ids if exact.artist[t])}").json()
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
