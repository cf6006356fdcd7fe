"""The app with every store away: errors, tokens, health; nothing waits long or leaks."""

import json
import socket
import time

import pytest

from jobs.contract.errors import SettingsError
from jobs.contract.settings import Settings
from jobs.contract.tokens import listener_token
from serving.app import create_app
from serving.services import EXTENSION


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def settings():
    port = closed_port()
    return Settings(
        environment="local",
        token_secret="k" * 32,
        mongo_uri=f"mongodb://127.0.0.1:{port}",
        milvus_uri=f"http://127.0.0.1:{port}",
        redis_url=f"redis://127.0.0.1:{port}/0",
        kafka_bootstrap=f"127.0.0.1:{port}",
        store_timeout_ms=100,
    )


@pytest.fixture(scope="module")
def client(settings):
    app = create_app(settings)
    app.add_url_rule("/broken", view_func=lambda: 1 // 0)
    yield app.test_client()
    app.extensions[EXTENSION].stores.close()


@pytest.fixture(scope="module")
def token(settings):
    return {"Authorization": f"Bearer {listener_token(settings, 'u1')}"}


def problem(response, status):
    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    body = json.loads(response.data)
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(body)
    assert body["status"] == status
    assert body["request_id"] == response.headers["X-Request-Id"]
    assert "Traceback" not in response.text
    return body


def test_lives(client):
    assert client.get("/livez").json == {"status": "ok"}


def test_is_not_ready_with_nothing_to_serve(client):
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json["generation"] is None
    assert set(response.json["checks"].values()) == {"away"}
    assert response.json["degraded"] == ["mongodb", "milvus", "redis", "kafka"]


def test_what_is_not_there(client):
    assert problem(client.get("/nothing"), 404)["instance"] == "/nothing"
    for path in ("/nothing", "/song/"):
        page = client.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert (page.status_code, page.mimetype) == (404, "text/html")
        assert "<h1>There is no such page</h1>" in page.text


def test_wrong_method(client):
    response = client.delete("/songs")
    problem(response, 405)
    assert "GET" in response.headers["Allow"]


def test_a_fault_of_the_server_shows_nothing_of_it(client):
    assert "ZeroDivision" not in str(problem(client.get("/broken"), 500))


def test_request_id_is_taken_over_if_it_is_harmless(client):
    given = client.get("/livez", headers={"X-Request-Id": "abc-1"})
    assert given.headers["X-Request-Id"] == "abc-1"
    odd = client.get("/livez", headers={"X-Request-Id": "a b"})
    assert odd.headers["X-Request-Id"] not in ("a b", "")


@pytest.mark.parametrize("path", ["/recommend/home", "/recommend/next", "/events"])
@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer x.y.z", "Basic dTE6cHc=", "bearer \xff"]
)
def test_needs_a_token(client, path, header):
    headers = {"Authorization": header} if header else {}
    ask = client.get if path == "/recommend/home" else client.post
    response = ask(path, headers=headers)
    problem(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.5", "²", "9" * 400])
@pytest.mark.parametrize("path", ["/songs", "/search", "/recommend/home"])
def test_limits(client, token, path, limit):
    response = client.get(path, query_string={"limit": limit, "q": "x"}, headers=token)
    assert problem(response, 400)["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("q", ["", " ", "x" * 101])
def test_search_needs_a_bounded_text(client, q):
    assert "'q'" in str(problem(client.get("/search", query_string={"q": q}), 400))


@pytest.mark.parametrize("cursor", ["%", "é", "_w", "a", "YQ==="])
def test_cursors_that_nobody_gave(client, cursor):
    assert "cursor" in str(problem(client.get("/songs", query_string={"cursor": cursor}), 400))


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("/recommend/next", b"{", "Invalid JSON"),
        ("/recommend/next", b"[]", "object"),
        ("/recommend/next", b'{"current": {"$ne": 1}}', "current"),
        ("/recommend/next", b'{"current": "\\ud800"}', ""),
        ("/recommend/next", b'{"n": 11}', "'n'"),
        ("/recommend/next", b'{"n": "5"}', "'n'"),
        ("/recommend/next", json.dumps({"queued": ["x"] * 101}).encode(), "queued"),
        ("/recommend/next", json.dumps({"recent": ["x"] * 201}).encode(), "recent"),
        ("/recommend/next", b'{"mode": "x"}', "mode"),
        ("/events", b'{"events": []}', "events"),
        ("/events", json.dumps({"events": [1] * 51}).encode(), "events"),
        ("/events", b"[" * 50_000, ""),
        ("/dev/token", b'{"user_id": ""}', "user_id"),
    ],
)
def test_wrong_bodies(client, token, path, body, wrong):
    response = client.post(path, data=body, headers=token, content_type="application/json")
    assert wrong in str(problem(response, 400)["errors"])


def test_body_of_another_type(client, token):
    problem(client.post("/events", data="{}", headers=token), 415)


def test_body_that_is_too_long(client, token):
    body = b" " * (64 * 1024 + 1)
    response = client.post("/events", data=body, headers=token, content_type="application/json")
    problem(response, 413)


def test_rejected_events_need_no_broker(client, token):
    response = client.post("/events", json={"events": [{"event_id": "e1"}]}, headers=token)
    assert response.status_code == 202
    (result,) = response.json["results"]
    assert (result["event_id"], result["status"]) == ("e1", "rejected")


def test_away_means_try_again_and_soon_without_waiting(client, token):
    for path in ("/songs", "/songs/s1", "/search?q=x", "/recommend/home"):
        response = client.get(path, headers=token)
        problem(response, 503)
        assert response.headers["Retry-After"] == "5"
    started = time.monotonic()
    assert client.get("/recommend/home", headers=token).status_code == 503
    assert time.monotonic() - started < 0.5


def test_dev_token_is_a_token(client):
    given = client.post("/dev/token", json={"user_id": "u9"}).json
    headers = {"Authorization": f"Bearer {given['token']}"}
    assert client.post("/events", json={"events": [1]}, headers=headers).status_code == 202


def test_dev_token_exists_in_the_local_stack_alone(settings):
    production = create_app(settings.model_copy(update={"environment": "production"}))
    problem(production.test_client().post("/dev/token", json={"user_id": "u9"}), 404)


def test_refuses_to_start_without_a_key(settings):
    with pytest.raises(SettingsError, match="NOCTURNE_TOKEN_SECRET"):
        create_app(settings.model_copy(update={"token_secret": ""}))
