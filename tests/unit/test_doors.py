"""Cookies: who they speak for, whose writes are refused, how they come and go."""

import re
import time

import pytest

from jobs.contract.erasure import listener_hash
from jobs.contract.tokens import listener_token, service_key
from jobs.stores.revocations import Revoked
from serving.app import create_app
from serving.doors import COOKIE
from serving.services import EXTENSION
from serving.views.signin import local_path
from tests.unit.apps import away_settings
from tests.unit.test_serving_http import problem

OWN = {"Sec-Fetch-Site": "same-origin"}
EVENTS = {"events": [1]}


@pytest.fixture(scope="module")
def settings():
    return away_settings()


@pytest.fixture(scope="module")
def app(settings):
    made = create_app(settings)
    yield made
    made.extensions[EXTENSION].stores.close()


@pytest.fixture
def browser(app):
    return app.test_client()


def signed_in(browser, user="ann", **form):
    response = browser.post("/signin", data={"user_id": user} | form)
    assert response.status_code == 303
    return response


def test_signing_in_gives_a_cookie_that_scripts_cannot_read(browser):
    response = signed_in(browser, next="/song/x?y=1")
    assert response.headers["Location"] == "/song/x?y=1"
    cookie = response.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(re.split("; ", cookie))
    assert "Secure" not in cookie
    me = browser.get("/me")
    assert me.json["user_id"] == "ann"
    assert (me.headers["Cache-Control"], me.headers["Vary"]) == ("no-store", "Cookie")


def test_the_cookie_is_secure_where_the_page_is(browser):
    response = browser.post("/signin", data={"user_id": "ann"}, base_url="https://nocturne.test")
    assert "; Secure" in response.headers["Set-Cookie"]


def test_a_token_signs_in_and_ends_with_its_own_end(browser, settings):
    token = listener_token(settings, "bea")
    response = browser.post("/signin", data={"token": f" {token}\n"})
    (age,) = re.findall(r"Max-Age=(\d+)", response.headers["Set-Cookie"])
    assert settings.token_hours * 3600 - 5 <= int(age) <= settings.token_hours * 3600
    assert browser.get("/me").json["user_id"] == "bea"


@pytest.mark.parametrize(
    "form", [{}, {"token": ""}, {"token": "x.y.z"}, {"user_id": ""}, {"user_id": "a\nb"}]
)
def test_who_cannot_sign_in_is_sent_back_without_a_cookie(browser, form):
    response = browser.post("/signin", data=form | {"next": "/settings"})
    assert response.status_code == 303
    assert response.headers["Location"] == "/signin?refused=1&next=%2Fsettings"
    assert "Set-Cookie" not in response.headers


def test_a_programs_key_signs_nobody_in(browser, settings):
    key = service_key(settings, "prometheus", ("metrics",), 1)
    assert "refused" in browser.post("/signin", data={"token": key}).headers["Location"]


def test_an_id_alone_signs_in_nowhere_but_in_the_local_stack(settings):
    production = create_app(settings.model_copy(update={"environment": "production"}))
    response = production.test_client().post("/signin", data={"user_id": "ann"})
    assert "refused" in response.headers["Location"]
    production.extensions[EXTENSION].stores.close()


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/a\\b",
        "/x\x00",
        "/" + "x" * 3000,
    ],
)
def test_nobody_is_led_to_another_site(browser, elsewhere):
    assert local_path(elsewhere) == "/"
    assert signed_in(browser, next=elsewhere).headers["Location"] == "/"


@pytest.mark.parametrize("path", ["/", "/search?q=a+b&x=//y", "/song/é b", "/settings"])
def test_a_path_of_this_site_is_kept(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
@pytest.mark.parametrize("path", ["/events", "/me/erase", "/recommend/next", "/signout"])
def test_a_write_by_cookie_from_elsewhere_is_refused(browser, path, headers):
    signed_in(browser)
    problem(browser.post(path, json=EVENTS, headers=headers), 403)
    assert browser.get("/me", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers", [OWN, {"Origin": "http://localhost"}, {"Origin": "http://LOCALHOST"}]
)
def test_a_write_by_cookie_from_a_page_of_ours_is_taken(browser, headers):
    signed_in(browser)
    assert browser.post("/events", json=EVENTS, headers=headers).status_code == 202


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_another_site_cannot_sign_a_browser_in(browser, headers):
    response = browser.post("/signin", data={"user_id": "mallory"}, headers=headers)
    problem(response, 403)
    assert "Set-Cookie" not in response.headers


def test_a_bearer_token_wins_and_needs_no_page(browser, settings):
    signed_in(browser, "ann")
    bearer = {"Authorization": f"Bearer {listener_token(settings, 'bea')}"}
    assert browser.get("/me", headers=bearer).json["user_id"] == "bea"
    assert browser.post("/events", json=EVENTS, headers=bearer).status_code == 202
    problem(browser.get("/me", headers={"Authorization": "Bearer x"}), 401)


def test_a_cookie_that_is_good_no_more_is_nobodys(browser):
    browser.set_cookie(COOKIE, "x.y.z")
    response = browser.get("/me")
    problem(response, 401)
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert "Set-Cookie" not in response.headers
    page = browser.get("/settings")
    assert page.status_code == 303
    assert page.headers["Location"] == "/signin?next=%2Fsettings"
    assert f"{COOKIE}=;" in page.headers["Set-Cookie"]
    assert "Cookie" in page.headers["Vary"]


def test_a_revoked_token_in_a_cookie_is_refused(browser, app):
    signed_in(browser, "carl")
    doors = app.extensions[EXTENSION].doors
    before = doors._revoked
    doors._revoked = Revoked(subjects={listener_hash("carl"): time.time()})
    problem(browser.get("/me"), 401)
    doors._revoked = before
    assert browser.get("/me").status_code == 200


def test_signing_out_works_while_the_revocation_cannot_be_written(browser):
    signed_in(browser)
    response = browser.post("/signout", headers=OWN)
    assert (response.status_code, response.headers["Location"]) == (303, "/signin")
    problem(browser.get("/me"), 401)


def test_what_depends_on_nobody_may_be_kept_for_everybody(browser):
    signed_in(browser)
    assert "Vary" not in browser.get("/songs/x/cover").headers


def test_listeners_are_counted_apart_whatever_brings_their_token(app, settings):
    def left(token, by_cookie):
        client = app.test_client()
        if by_cookie:
            client.set_cookie(COOKIE, token)
        headers = {} if by_cookie else {"Authorization": f"Bearer {token}"}
        answer = client.get("/me", headers=headers)
        assert answer.status_code == 200
        return int(re.search(r"r=(\d+)", answer.headers["RateLimit"])[1])

    dora, emil = (listener_token(settings, name) for name in ("dora", "emil"))
    first = left(dora, by_cookie=False)
    assert left(dora, by_cookie=True) == first - 1
    assert left(emil, by_cookie=True) == first


def test_a_token_that_was_read_before_ends_all_the_same(app, settings, browser, monkeypatch):
    headers = {"Authorization": f"Bearer {listener_token(settings, 'ann')}"}
    assert browser.get("/me", headers=headers).status_code == 200
    later = time.time() + settings.token_hours * 3600 + 1
    monkeypatch.setattr("serving.doors.time.time", lambda: later)
    assert "expired" in problem(browser.get("/me", headers=headers), 401)["detail"]
