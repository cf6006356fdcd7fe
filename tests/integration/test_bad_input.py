"""Whatever is sent to the app: the right status, a problem, nobody else's data, no trace."""

import json
import socket
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import jwt
import pytest
import requests

from infra.local.processes import members
from jobs.contract.tokens import listener_token, service_key
from serving.app import create_app
from serving.services import EXTENSION
from serving.worker import READ_SECONDS
from tests.integration.serving_app import App

OTHER = "somebody-else"
OPERATOR = {"$ne": None}
TRACES = ("Traceback", "site-packages", "pymongo", "pydantic", "werkzeug")


@pytest.fixture(scope="module")
def app(published, stack):
    return App(stack)


def queries():
    """Return GETs with a wrong parameter: path, parameters and the field that is named."""
    limits = [
        "-1",
        "0",
        "1000000000",
        "NaN",
        "inf",
        "1e3",
        "0x10",
        "1.0",
        " 5",
        "+5",
        "٣",
        "",
        "null",
    ]
    for path, more in (
        ("/songs", {}),
        ("/search", {"q": "a"}),
        ("/recommend/home", {}),
    ):
        yield from ((path, more | {"limit": limit}, "limit") for limit in limits)
        yield path, more | {"limit[$ne]": "1"}, "limit[$ne]"
        yield path, more | {"user_id": OTHER}, "user_id"
        yield path, [*more.items(), ("limit", "1"), ("limit", "2")], "limit"
    for q in ("", " ", "\t", "x" * 101, "%00" * 40):
        yield "/search", {"q": q}, "q"
    yield "/search", {"q[$regex]": ".*"}, "q"
    for cursor in ("%", "é", "a", "YQ===", "_w", "../../etc/passwd", "'; drop table songs", "\x00"):
        yield "/songs", {"cursor": cursor}, "cursor"
    for familiar in ("-1", "2", "NaN", "inf", "1e-3", "a", "0,5", ""):
        yield "/recommend/home", {"familiar": familiar}, "familiar"
    for artist in ("", " ", "a\x00b", "\n", "x" * 300):
        yield "/songs", {"artist_id": artist}, "artist_id"


def bodies():
    """Return POSTs with a wrong field: path, body and the field that is named."""
    values = [OPERATOR, {"$gt": ""}, [], 7, True, 1.5, "", " ", "\x00", "a\x1fb", "x" * 300]
    yield from (("/recommend/next", {"current": value}, "current") for value in values)
    for field in ("queued", "recent"):
        wrong = [OPERATOR, "s1", 7, {"0": "s1"}, [OPERATOR], [None], [["s1"]], [1], ["x"] * 201]
        yield from (("/recommend/next", {field: value}, field) for value in wrong)
    for n in (OPERATOR, "5", 0, -1, 11, 1.5, None, True, 10**9, 1e30):
        yield "/recommend/next", {"n": n}, "n"
    for strategy in (OPERATOR, "", "best", 1, ["session_vector"]):
        yield "/recommend/next", {"strategy": strategy}, "strategy"
    for field in ("user_id", "generation", "$where", "__proto__", "mode"):
        yield "/recommend/next", {field: OTHER}, field
    for songs in (OPERATOR, [], ["x"] * 201, "s1", [OPERATOR], None, [""]):
        yield "/recommend/session", {"songs": songs}, "songs"
    for n in (0, 51, "1", -5):
        yield "/recommend/session", {"songs": ["a"], "n": n}, "n"
    for events in (OPERATOR, [], [{}] * 51, "x", None, 7):
        yield "/events", {"events": events}, "events"
    yield "/events", {"events": [1], "user_id": OTHER}, "user_id"
    for user in (OPERATOR, "", " ", 7, None, "\x00", "x" * 300):
        yield "/dev/token", {"user_id": user}, "user_id"


QUERIES, BODIES = list(queries()), list(bodies())


def check(response, status):
    """Hold an answer against what an error must be; return its body."""
    assert response.status_code == status, response.text[:300]
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["request_id"] == response.headers["X-Request-Id"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not [trace for trace in TRACES if trace in response.text]
    return body


def test_there_are_at_least_two_hundred_cases():
    assert len(QUERIES) + len(BODIES) + len(EVENTS) + len(PATHS) + len(TYPES) >= 200


@pytest.mark.parametrize(("path", "params", "field"), QUERIES)
def test_wrong_parameters(app, path, params, field):
    user = f"wrong-{hash(str(params)) % 97}"
    body = check(app.ask("GET", path, user, params=params), 400)
    assert field in {error["field"].split(".")[0] for error in body["errors"]}


@pytest.mark.parametrize(("path", "body", "field"), BODIES)
def test_wrong_bodies(app, path, body, field):
    user = f"wrong-{hash(str(body)) % 97}"
    found = check(app.post(path, body, user), 400)
    assert field in {error["field"].split(".")[0] for error in found["errors"]}


def event(**changes):
    now = int(time.time() * 1000)
    return {"event_id": "e", "track_id": "t", "timestamp": now, "action": "listen"} | changes


EVENTS = [
    *({"event_id": v} for v in (OPERATOR, "", 7, None, "\x00", "x" * 300, [])),
    *({"track_id": v} for v in (OPERATOR, "", 7, None, "\n", "x" * 300)),
    *({"timestamp": v} for v in (OPERATOR, "1", 1.5, None, -1, 0, 10**18, True)),
    *({"action": v} for v in (OPERATOR, "", "dance", 7, None)),
    *({"duration": v} for v in (OPERATOR, "90", -1, 10**9, 1.5)),
    *({"user_id": v} for v in (OTHER, OPERATOR, 7)),
    *({"rank": v} for v in (0, -1, "1", 10**6)),
    *({name: "x"} for name in ("$set", "received_at", "date")),
]


@pytest.mark.parametrize("changes", EVENTS)
def test_wrong_events_are_rejected_one_by_one(app, changes):
    answer = app.post("/events", {"events": [event(**changes)]}, "wrong-events")
    assert answer.status_code == 202
    (result,) = answer.json()["results"]
    assert result["status"] == "rejected"
    assert next(iter(changes)) in result["reason"]


PATHS = [
    ("/songs/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404),
    ("/songs/..%2f..%2fetc", 404),
    ("/songs/" + "x" * 300, 404),
    ("/songs/%00", 404),
    ("/songs/%ff", 404),
    ("/songs/%7B%22%24ne%22%3Anull%7D", 404),
    ("/songs/{$ne:null}/similar", 404),
    ("/recommend/home/", 404),
    ("/static/../serving/app.py", 404),
    ("/.env", 404),
    ("/events", 405),
]


@pytest.mark.parametrize(("path", "status"), PATHS)
def test_wrong_paths(app, path, status):
    # As it is written: requests would tidy the path up.
    response = raw(app, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert f" {status} " in response.splitlines()[0]
    assert "application/problem+json" in response
    assert not [trace for trace in TRACES if trace in response]


TYPES = [
    "",
    "text/plain",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
]


@pytest.mark.parametrize("kind", TYPES)
def test_bodies_of_other_types(app, kind):
    headers = {"Content-Type": kind} if kind else {}
    headers |= {"Authorization": f"Bearer {listener_token(app.settings, 'typed')}"}
    response = requests.post(f"{app.url}/events", data=b"{}", headers=headers, timeout=30)
    check(response, 415)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"nul", b'{"a":' * 5000, b"[" * 60_000])
def test_bodies_that_are_no_json(app, data):
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {listener_token(app.settings, 'typed')}"}
    check(requests.post(f"{app.url}/events", data=data, headers=headers, timeout=30), 400)


def tokens(settings):
    """Return tokens that are good for nothing, by what is wrong with them."""
    good = {"sub": OTHER, "aud": "nocturne", "exp": datetime.now(UTC) + timedelta(hours=1)}
    past = datetime.now(UTC) - timedelta(hours=1)
    key = settings.token_secret
    yield "expired", jwt.encode(good | {"exp": past}, key)
    yield "forged", jwt.encode(good, "x" * 32)
    yield "alg none", jwt.encode(good, "", algorithm="none")
    yield "another algorithm", jwt.encode(good, key * 2, algorithm="HS512")
    yield "another audience", jwt.encode(good | {"aud": "x"}, key)
    yield "without end", jwt.encode({k: v for k, v in good.items() if k != "exp"}, key)
    yield "not yet", jwt.encode(good | {"nbf": datetime.now(UTC) + timedelta(hours=1)}, key)
    yield "a number for a subject", jwt.encode(good | {"sub": 7}, key)
    yield "cut", jwt.encode(good, key)[:-3]
    yield "no token", "x.y.z"


def test_tokens_that_are_good_for_nothing(app):
    for wrong, token in tokens(app.settings):
        for method, path in (("GET", "/recommend/home"), ("POST", "/events"), ("GET", "/feedback")):
            headers = {"Authorization": f"Bearer {token}"}
            response = requests.request(method, app.url + path, headers=headers, timeout=30)
            assert check(response, 401), wrong
            assert token not in response.text
    key = service_key(app.settings, OTHER, ["metrics"], 1)
    for path in ("/recommend/home", "/feedback"):
        headers = {"Authorization": f"Bearer {key}"}
        check(requests.get(app.url + path, headers=headers, timeout=30), 403)


def test_a_token_can_be_revoked(app):
    token = listener_token(app.settings, "revoked")
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{app.url}/feedback", headers=headers, timeout=30).status_code == 200
    assert requests.delete(f"{app.url}/token", headers=headers, timeout=30).status_code == 204
    deadline = time.monotonic() + 10
    ended = 0
    while ended < 20:  # in every worker
        status = requests.get(f"{app.url}/feedback", headers=headers, timeout=30).status_code
        ended = ended + 1 if status == 401 else 0
        assert time.monotonic() < deadline
    assert app.get("/feedback", "revoked").status_code == 200  # with a new one


def test_metrics_are_for_those_with_a_key(app):
    check(requests.get(f"{app.url}/metrics", timeout=30), 401)
    check(app.get("/metrics", "somebody"), 403)
    key = service_key(app.settings, "prometheus", ["metrics"], 1)
    headers = {"Authorization": f"Bearer {key}"}
    text = requests.get(f"{app.url}/metrics", headers=headers, timeout=30).text
    assert 'nocturne_request_seconds_bucket{le="0.01",method="GET",route="/search"' in text
    assert "nocturne_generation_age_seconds" in text


def raw(app, text, seconds=30):
    """Send bytes as they are; return the answer."""
    parts = urlsplit(app.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as sock:
        sock.sendall(text.encode("latin-1"))
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
    return answer.decode("latin-1")


def memory(stack):
    gunicorn = [p for p in members(stack.local.state) if "serving.wsgi" in " ".join(p.cmdline())]
    return sum(p.memory_info().rss for p in gunicorn) / 2**20


def test_bodies_that_are_too_long_are_not_read(app, stack):
    before = memory(stack)
    token = listener_token(app.settings, "long")
    head = (
        "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\n"
    )
    for _ in range(5):
        started = time.monotonic()
        response = requests.post(
            f"{app.url}/events",
            data=b" " * 10_000_000,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=30,
        )
        check(response, 413)
        assert time.monotonic() - started < 5
    # Chunks that never end: no more than the limit is read.
    chunk = f"{65536:x}\r\n" + " " * 65536 + "\r\n"
    with socket.create_connection((urlsplit(app.url).hostname, urlsplit(app.url).port), 30) as sock:
        sock.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
        answer = b""
        for _ in range(200):
            try:
                sock.sendall(chunk.encode())
            except OSError:
                break
        sock.settimeout(10)
        try:
            answer = sock.recv(65536)
        except OSError:
            answer = b"closed"
    assert answer.startswith((b"HTTP/1.1 413", b"closed")) or answer == b""
    assert memory(stack) < before + 60


def test_slow_clients_do_not_keep_others_out(app):
    """More of them than there are threads, each sending a byte now and then."""
    parts = urlsplit(app.url)
    slow = [socket.create_connection((parts.hostname, parts.port), 30) for _ in range(40)]
    for sock in slow:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    time.sleep(1)
    began = time.monotonic()
    # The kernel may give all of them to one worker, whose threads then take them in three turns:
    # in the third, some of its threads are free.
    while time.monotonic() - began < 2 * (READ_SECONDS + 1) + 1:
        for sock in slow:
            try:
                sock.sendall(b"a")
            except OSError:
                continue
        time.sleep(2)
    started = time.monotonic()
    assert requests.get(f"{app.url}/livez", timeout=15).status_code == 200
    assert time.monotonic() - started < 5
    for sock in slow:
        sock.close()


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("\r\n\r\n", ("", "400")),
        ("GET\r\n\r\n", ("400",)),
        ("\x00" * 100, ("400",)),
        ("G" * 10_000, ("400", "414")),
        ("GET /livez HTTP/9.9\r\n\r\n", ("400", "505")),
        ("GET /livez HTTP/1.1\r\nHost: x\r\nX: " + "x" * 9_000 + "\r\n\r\n", ("400", "431")),
        ("GET /livez HTTP/1.1\r\nHost: x\r\n" + "A: b\r\n" * 60 + "\r\n", ("400", "431")),
    ],
)
def test_requests_that_are_no_http(app, text, statuses):
    answer = raw(app, text + "\r\n\r\n")
    status = answer.split(" ", 2)[1] if answer else ""
    assert status in statuses
    assert "Traceback" not in answer


def test_who_asks_too_often_is_told_when_to_come_back(published, stack):
    app = create_app(stack.settings.model_copy(update={"rate_limit": "5/minute"}))
    client = app.test_client()
    one, other = (
        {"Authorization": f"Bearer {listener_token(stack.settings, f'often-{n}-{time.time()}')}"}
        for n in range(2)
    )
    statuses = [client.get("/feedback", headers=one).status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    limited = client.get("/feedback", headers=one)
    body = json.loads(limited.data)
    assert (limited.mimetype, body["status"]) == ("application/problem+json", 429)
    assert 0 < int(limited.headers["Retry-After"]) <= 60
    assert limited.headers["RateLimit-Policy"] == '"all";q=5;w=60'
    assert limited.headers["RateLimit"].startswith('"all";r=0;t=')
    assert client.get("/feedback", headers=other).status_code == 200
    assert client.get("/livez").status_code == 200
    app.extensions[EXTENSION].stores.close()


def test_other_sites_may_ask_only_if_they_are_listed(stack):
    origins = {"cors_origins": "https://player.example"}
    client = create_app(stack.settings.model_copy(update=origins)).test_client()
    good = client.get("/livez", headers={"Origin": "https://player.example"})
    assert good.headers["Access-Control-Allow-Origin"] == "https://player.example"
    for origin in ("https://evil.example", "null", "https://player.example.evil.example"):
        bad = client.get("/livez", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in bad.headers
