"""The operator's page: a real Airflow, real stores behind wires, and who may do what."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from playwright.sync_api import FrameLocator, Page, expect

from infra.local.airflow_client import Airflow
from infra.local.config import stack_secrets
from infra.local.install import ROOT
from jobs.contract.generations import State
from jobs.contract.names import runbook
from jobs.stores.alerts import Alerts
from jobs.stores.generations import Generations
from tests.browser.rig import Rig, answers, until
from tests.browser.test_pages import serious, swapped
from tests.wires import Wire, free_port

PAGE = "/nocturne"
CARDS = ("alerts", "live", "quality", "freshness", "stream", "serving", "events", "history")
NOWHERE = "g20200101T0000_00000000"


@dataclass(frozen=True)
class Desk:
    """An Airflow of these tests' own, whose page reaches each store over a wire."""

    rig: Rig
    url: str
    wires: dict[str, Wire]

    def headers(self, user: str) -> dict[str, str]:
        """Return the headers of a program that speaks for this user of Airflow."""
        token = Airflow(self.url, user, self.password(user)).token
        return {"Authorization": f"Bearer {token}"}

    def password(self, user: str) -> str:
        """Return the password that the stack made for a user."""
        return stack_secrets(self.rig.stack.local.state)[f"airflow_{user}"]

    def card(self, name: str, user: str = "viewer") -> dict[str, Any]:
        """Return a card as a program gets it."""
        url = f"{self.url}{PAGE}/cards/{name}"
        return dict(requests.get(url, headers=self.headers(user), timeout=60).json())

    def open(self, page: Page, user: str) -> FrameLocator:
        """Log in as people do and follow the menu to the page."""
        page.goto(self.url)
        page.locator("[name=username]").fill(user)
        page.locator("[name=password]").fill(self.password(user))
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Nocturne").click()
        frame = page.frame_locator("iframe")
        expect(frame.locator("#card-history .said")).to_contain_text("Every switch", timeout=30_000)
        return frame


@pytest.fixture(scope="module")
def desk(rig: Rig) -> Iterator[Desk]:
    settings = rig.stack.settings
    wires = {
        "mongodb": Wire(settings.mongo_uri),
        "objects": Wire(settings.s3_endpoint),
        "app": Wire(rig.url),
    }
    port = free_port()
    own = {
        "NOCTURNE_MONGO_URI": f"{wires['mongodb'].address}/?directConnection=true",
        "NOCTURNE_S3_ENDPOINT": wires["objects"].address,
        "NOCTURNE_SERVING_URL": wires["app"].address,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
    }
    log = rig.stack.local.state / "logs" / "operator_page.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["airflow", "api-server"],
            cwd=ROOT,
            env=os.environ | rig.stack.env | own,
            stdout=out,
            stderr=out,
        )
    desk = Desk(rig, f"http://127.0.0.1:{port}", wires)
    try:
        health = f"{desk.url}/api/v2/monitor/health"
        until(lambda: answers(health), "an Airflow of these tests' own", 120)
        yield desk
    finally:
        process.terminate()
        process.wait(30)
        for wire in wires.values():
            wire.break_it("cut")


def wanted(live: str, to: str) -> dict[str, str]:
    return {"to": to, "typed": to, "live": live, "reason": "a test"}


def times_live(generations: Generations, generation: str) -> int:
    """Return how often a generation was made live."""
    history = (generations.find(generation) or {})["history"]
    return [step["state"] for step in history].count(State.LIVE)


def test_strangers_get_nothing(desk: Desk):
    reports = ("/daily/", "/daily/2026-01-01", f"/reports/{NOWHERE}")
    for path in ("/", "/files/page.js", "/cards", "/cards/live", *reports):
        assert requests.get(desk.url + PAGE + path, timeout=30).status_code == 401, path
    body = wanted(NOWHERE, NOWHERE)
    for headers in ({}, {"Authorization": "Bearer forged"}, {"Cookie": "_token=forged"}):
        answer = requests.post(f"{desk.url}{PAGE}/rollback", json=body, headers=headers, timeout=30)
        assert answer.status_code in (401, 403)


def test_a_viewer_sees_all_and_cannot_roll_back(desk: Desk, page: Page, generations: Generations):
    old = generations.live().generation
    with swapped(desk.rig, str(old)) as new:
        frame = desk.open(page, "viewer")
        for name in CARDS:
            expect(frame.locator(f"#card-{name} .state")).not_to_have_text("Unknown")
        expect(frame.locator("#card-live dl")).to_contain_text(new)
        expect(frame.locator("#card-quality table")).to_contain_text("NDCG@10, unheard")
        expect(frame.locator("#card-live tbody")).to_contain_text(str(old))
        assert frame.get_by_role("button", name="Roll back").count() == 0
        answer = requests.post(
            f"{desk.url}{PAGE}/rollback",
            json=wanted(new, str(old)),
            headers=desk.headers("viewer"),
            timeout=60,
        )
        assert answer.status_code == 403
        assert generations.live().generation == new


def test_an_admin_rolls_back_once_and_says_why(
    desk: Desk, page: Page, generations: Generations, listener: str
):
    old = str(generations.live().generation)
    with swapped(desk.rig, old) as new:
        before = times_live(generations, old)
        frame = desk.open(page, "admin")
        frame.get_by_role("button", name=f"Roll back to {old}").click()
        dialog = frame.locator("#rollback")
        expect(dialog.locator("th")).to_contain_text(["", f"Live: {new}", f"Chosen: {old}"])
        accept = dialog.get_by_role("button", name="Roll back", exact=True)
        expect(accept).to_be_disabled()
        dialog.get_by_label("Reason").fill("the new one is worse")
        dialog.get_by_label("to confirm").fill(old[:-1])
        expect(accept).to_be_disabled()
        dialog.get_by_label("to confirm").fill(old)
        posts: list[str] = []
        page.on("request", lambda r: posts.append(r.url) if r.method == "POST" else None)
        accept.dblclick()
        until(lambda: generations.live().generation == old, "the old generation", 10)
        until(
            lambda: desk.rig.ask("GET", "/recommend/home", listener)["generation"] == old,
            "a home page of it",
            5,
        )
        expect(frame.locator("#status")).to_contain_text(f"{old} is live", timeout=20_000)
        assert len([url for url in posts if url.endswith("/rollback")]) == 1
        assert times_live(generations, old) == before + 1
        first = frame.locator("#card-history tbody tr").first
        expect(first).to_contain_text(old)
        expect(first).to_contain_text("admin")
        expect(first).to_contain_text("the new one is worse")
        again = requests.post(
            f"{desk.url}{PAGE}/rollback",
            json=wanted(new, old),
            headers=desk.headers("admin"),
            timeout=60,
        )
        assert again.status_code == 409
        assert (
            again.json()["detail"]
            == f"rollback: nothing was rolled back: {old} is live now, not {new}"
        )
        assert times_live(generations, old) == before + 1


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"to": NOWHERE, "typed": NOWHERE}, 409, f"there is no generation {NOWHERE}"),
        ({"typed": "yes"}, 422, "to confirm"),
        ({"reason": ""}, 422, "at least 1 character"),
        ({"to": "x; rm -rf /"}, 422, "pattern"),
        ({"mood": "calm"}, 422, "Extra inputs"),
    ],
)
def test_what_is_not_in_order_is_refused(
    desk: Desk, generations: Generations, changes: dict, status: int, said: str
):
    before = generations.live()
    live = str(before.generation)
    answer = requests.post(
        f"{desk.url}{PAGE}/rollback",
        json=wanted(live, live) | changes,
        headers=desk.headers("admin"),
        timeout=60,
    )
    assert answer.status_code == status
    assert said in answer.text
    assert generations.live() == before


def test_another_site_cannot_roll_back_with_our_cookie(desk: Desk, generations: Generations):
    live = str(generations.live().generation)
    token = desk.headers("admin")["Authorization"].removeprefix("Bearer ")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": desk.url},
        {},
    ):
        answer = requests.post(
            f"{desk.url}{PAGE}/rollback",
            json=wanted(live, live),
            headers=headers | {"Cookie": f"_token={token}"},
            timeout=60,
        )
        assert answer.status_code == 403, headers


@pytest.mark.parametrize(
    ("store", "unknown", "known"),
    [
        ("mongodb", set(CARDS) - {"serving"}, {"serving"}),
        ("objects", {"quality", "freshness"}, {"live", "stream", "serving", "events", "history"}),
        ("app", {"live", "serving"}, {"quality", "freshness", "stream", "events", "history"}),
        ("milvus", {"live"}, {"quality", "freshness", "stream", "events", "history"}),
    ],
)
def test_a_store_that_is_away_is_told_and_hides_nothing_else(
    desk: Desk, store: str, unknown: set[str], known: set[str]
):
    wire = (desk.wires | desk.rig.wires | {"mongodb": desk.wires["mongodb"]})[store]
    wire.break_it("cut")
    try:
        for name in unknown:
            card = until(lambda name=name: _unknown(desk.card(name)), f"{name} without {store}")
            assert "does not answer" in card["said"]
        for name in known:
            assert desk.card(name)["state"] != "unknown", name
    finally:
        wire.mend()
    for name in unknown:
        until(lambda name=name: not _unknown(desk.card(name)), f"{name} with {store}", 40)


def _unknown(card: dict[str, Any]) -> dict[str, Any] | None:
    return card if card["state"] == "unknown" else None


def test_a_stream_whose_alert_is_open_is_not_good(desk: Desk):
    """A driver that was just started beats before anybody knows whether it works."""

    def warned() -> dict[str, Any] | None:
        # Again each time: the supervision closes it as soon as it looks.
        alerts.raise_("stream_frozen", "a test", runbook("stream_supervisor"))
        card = desk.card("stream")
        return card if "stream_frozen" in card["said"] else None

    with closing(Alerts(desk.rig.stack.settings)) as alerts:
        try:
            assert until(warned, "the card")["state"] == "warning"
        finally:
            alerts.clear("stream_frozen")
    until(lambda: desk.card("stream")["state"] == "good", "the stream's end of it")


def test_a_card_that_cannot_be_read_is_never_a_stale_green(desk: Desk, page: Page):
    frame = desk.open(page, "viewer")
    expect(frame.locator("#card-history .state")).to_have_text("Good")
    page.route("**/nocturne/cards/history", lambda route: route.abort())
    expect(frame.locator("#card-history .age")).to_contain_text(
        re.compile("1[0-9] s ago"), timeout=20_000
    )
    expect(frame.locator("#card-history .state")).to_have_text("Unknown", timeout=40_000)
    expect(frame.locator("#card-events .state")).not_to_have_text("Unknown")
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_finding(desk: Desk, page: Page, scheme: str):
    page.emulate_media(color_scheme=scheme)
    desk.open(page, "admin")
    page.goto(f"{desk.url}{PAGE}/")
    expect(page.locator("#card-history tbody tr").first).to_be_visible()
    assert serious(page) == []
    page.set_viewport_size({"width": 320, "height": 568})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_report_of_the_candidate_is_a_click_away(desk: Desk, page: Page):
    frame = desk.open(page, "viewer")
    frame.get_by_role("link", name="Report with").click()
    expect(frame.locator("h1")).to_be_visible()
    expect(frame.locator("body")).to_contain_text("NDCG@10")


def test_the_daily_report_is_what_the_morning_found(desk: Desk, page: Page):
    desk.rig.stack.airflow().succeed("daily_report")
    frame = desk.open(page, "viewer")
    frame.get_by_role("link", name="Daily reports").click()
    today = f"{datetime.now(UTC).date()}"
    frame.get_by_role("link", name=today).click()
    expect(frame.locator("h1")).to_have_text(f"Nocturne, {today}")
    expect(frame.locator("section.card")).to_have_count(len(CARDS))
    expect(frame.locator("dl", has_text="Trained on")).to_contain_text("Published")
    for day in ("2001-01-01", "today"):
        url = f"{desk.url}{PAGE}/daily/{day}"
        answer = requests.get(url, headers=desk.headers("viewer"), timeout=30)
        assert answer.status_code in (404, 422)


def test_the_events_of_today_are_counted_by_hour(desk: Desk, listener: str):
    def counted() -> int:
        return int(dict(desk.card("events")["facts"])["Listen"].replace(",", ""))

    before = counted()
    rig = desk.rig
    home = rig.ask("GET", "/recommend/home", listener)
    song = home["songs"][0]["track_id"]
    url = rig.stack.app_url + "/events"
    event = {"event_id": f"page-{listener}", "track_id": song, "action": "listen"}
    event |= {
        "timestamp": int(time.time() * 1000),
        "duration": 100,
        "total_duration": 120,
        "origin": "smart",
        "generation": home["generation"],
    }
    answer = requests.post(
        url,
        json={"events": [event]},
        headers=rig.stack.headers(listener),
        timeout=30,
    )
    assert answer.json()["results"][0]["status"] == "accepted"
    until(lambda: counted() > before, "the event in the counts", 60)
    rows = desk.card("events")["rows"]
    assert any(row[:2] == ["generation", home["generation"]] for row in rows)


def test_a_dag_leads_to_its_runbook(desk: Desk, page: Page):
    frame = desk.open(page, "viewer")
    expect(frame.locator("#card-stream")).to_be_visible()
    details = requests.get(
        f"{desk.url}/api/v2/dags/rollback/details", headers=desk.headers("viewer"), timeout=30
    ).json()
    link = re.search(r"\]\((/nocturne/runbooks/\w+\.md)\)", details["doc_md"])
    assert link
    page.goto(desk.url + link[1])
    expect(page.locator("h1")).to_be_visible()
    page.get_by_role("link", name="train_als").first.click()
    expect(page).to_have_url(re.compile("/nocturne/runbooks/train_als.md"))
    expect(page.locator("h1")).to_be_visible()
    for name in ("nothing.md", "..%2f..%2fREADME.md"):
        answer = requests.get(
            f"{desk.url}{PAGE}/runbooks/{name}", headers=desk.headers("viewer"), timeout=30
        )
        assert answer.status_code == 404
