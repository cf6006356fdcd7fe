"""Streams and covers: signed addresses, images that cannot run, and a fallback for anything."""

import json
import re
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest

from jobs.contract.names import audio_key
from jobs.stores.media import Cover
from serving import covers
from serving.metrics import CLIENT_ERRORS
from serving.pages import static
from serving.services import EXTENSION
from tests.unit.apps import app_with, away_settings
from tests.unit.test_serving_http import problem

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
PNG = b"\x89PNG\r\n\x1a\n"


class Stored:
    """Covers in memory; counts how often it was asked."""

    def __init__(self, **covers):
        self.covers, self.asked = covers, 0

    def cover(self, track_id):
        self.asked += 1
        return self.covers.get(track_id)


@pytest.fixture(scope="module")
def settings():
    return away_settings(media_url="https://media.example:9443", media_seconds=77)


@pytest.fixture(scope="module")
def app(settings):
    made = app_with(settings)
    yield made
    made.extensions[EXTENSION].stores.close()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def stored(settings):
    """An app whose covers are in memory, as (client, store)."""
    store = Stored(svg=Cover(SVG, "image/svg+xml"), png=Cover(PNG, "image/png"))
    made = app_with(settings, media=store)
    yield made.test_client(), store
    made.extensions[EXTENSION].stores.close()


@pytest.mark.parametrize("track_id", ["song-1", "a b?c#d&e", "100%", "夜に駆ける", "..", "<x>"])
def test_a_stream_leads_to_a_signed_address_for_a_while(client, track_id):
    response = client.get(f"/songs/{quote(track_id, safe='')}/stream")
    assert (response.status_code, response.headers["Cache-Control"]) == (307, "no-store")
    address = urlsplit(response.headers["Location"])
    assert (address.scheme, address.netloc) == ("https", "media.example:9443")
    assert unquote(address.path) == f"/media/{audio_key(track_id)}"
    signed = parse_qs(address.query)
    assert signed["X-Amz-Expires"] == ["77"]
    assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert "s" * 16 not in response.headers["Location"]


@pytest.mark.parametrize("track_id", ["x" * 129, "%00", "a%0ab", "%20"])
def test_there_is_no_stream_of_an_id_that_no_song_can_have(client, track_id):
    problem(client.get(f"/songs/{track_id}/stream"), 404)


def test_a_signed_address_is_in_no_log(client, caplog):
    client.get("/songs/song-1/stream")
    logged = str([vars(record) for record in caplog.records])
    assert "/songs/<track_id>/stream" in logged
    assert "X-Amz" not in logged


def test_a_page_may_play_from_the_store_and_run_nothing_from_elsewhere(client):
    policy = client.get("/signin").headers["Content-Security-Policy"].split("; ")
    assert {"media-src 'self' https://media.example:9443", "script-src 'self'"} <= set(policy)
    assert {"object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy)


@pytest.mark.parametrize("size", [96, 256, 512])
@pytest.mark.parametrize("track_id", ["song-1", "夜に駆ける", "?!", "<script>", "x" * 500, "%00"])
def test_there_always_is_a_cover(client, track_id, size):
    response = client.get(f"/songs/{quote(track_id, safe='%')}/cover?size={size}")
    assert response.status_code == 200
    assert response.mimetype == "image/svg+xml"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    policy = response.headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    image = ET.fromstring(response.data)
    assert (image.get("width"), image.get("height")) == (str(size), str(size))
    # The store is away: a better one may be there in a minute.
    assert response.headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize("size", ["1", "97", "x", "", "256.0", "96&size=96"])
def test_other_sizes_are_refused(client, size):
    assert problem(client.get(f"/songs/a/cover?size={size}"), 400)["errors"][0]["field"] == "size"


def test_a_drawn_cover_is_the_songs_own(client):
    def drawn(track_id):
        return covers.drawn(track_id, 256).body.decode()

    assert drawn("song-1") == drawn("song-1") != drawn("song-2")
    assert re.findall(r">(\w+)</text>", drawn("quiet river")) == ["QR"]
    assert len(set(re.findall(r'fill="(#\w{6})"', drawn("song-1")))) == 2


@pytest.mark.parametrize(("track_id", "body"), [("svg", SVG), ("png", PNG)])
def test_a_stored_cover_is_given_as_it_is_and_kept_for_a_day(stored, track_id, body):
    client, store = stored
    response = client.get(f"/songs/{track_id}/cover")
    assert response.data == body
    assert response.headers["Cache-Control"] == "public, max-age=86400"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(
        f"/songs/{track_id}/cover", headers={"If-None-Match": response.headers["ETag"]}
    )
    assert (again.status_code, again.data) == (304, b"")
    assert store.asked == 1


def test_a_song_without_a_cover_asks_the_store_once(stored):
    client, store = stored
    first, second = (client.get("/songs/none/cover") for _ in range(2))
    assert first.data == second.data == covers.drawn("none", 256).body
    assert first.headers["Cache-Control"] == "public, max-age=86400"
    assert store.asked == 1


def test_covers_are_counted_apart_from_all_else(client):
    def limits(path):
        headers = client.get(path).headers
        return headers["RateLimit-Policy"], int(re.search(r"r=(\d+)", headers["RateLimit"])[1])

    policy, left = limits("/songs/a/cover")
    assert policy == '"all";q=6000;w=60'
    before = limits("/songs/a/stream")[1]
    assert limits("/songs/b/cover")[1] == left - 1
    assert limits("/songs/a/stream")[1] == before - 1


@pytest.mark.parametrize("kind", ["media", "stall", "autoplay", "outbox", "script"])
def test_errors_of_players_are_counted(client, kind):
    before = CLIENT_ERRORS.labels(kind)._value.get()
    response = client.post("/client-errors", json={"kind": kind, "track_id": "song-1"})
    assert (response.status_code, response.data) == (204, b"")
    assert CLIENT_ERRORS.labels(kind)._value.get() == before + 1


@pytest.mark.parametrize("body", [{}, {"kind": "other"}, {"kind": "media", "text": "x"}, []])
def test_other_errors_are_refused(client, body):
    response = client.post("/client-errors", data=json.dumps(body), content_type="application/json")
    problem(response, 400)


def test_static_files_may_be_kept_for_good_under_their_own_address(client):
    with client.get(static("favicon.svg")) as now:
        assert now.status_code == 200
        assert now.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        body = now.data
    with client.get("/static/0123456789abcdef/favicon.svg") as old:
        assert (old.data, old.headers["Cache-Control"]) == (body, "no-cache")
    for path in ("/static/x/../app.py", "/static/x/%2e%2e/app.py", "/static/x/..%2fapp.py"):
        assert client.get(path).status_code == 404
