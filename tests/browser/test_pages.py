"""The pages: found by keyboard and screen reader, whole on any screen, honest without stores."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from jobs.contract import names
from jobs.contract.generations import State
from jobs.stores.documents import Documents, database
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest, write_manifest
from jobs.stores.objects import Objects
from jobs.stores.vectors import Vectors
from tests.browser.player import Player
from tests.browser.rig import Rig, until

SMALL, LARGE = {"width": 320, "height": 568}, {"width": 1280, "height": 800}
SCREENS = ("/", "/search?q=a", "/search?q=nothing-at-all", "/settings", "/signin", "/song/{song}")
SCREENS += ("/song/no-such-song",)
HOSTILE = "<img src=x onerror=\"document.title='broken'\">"


@pytest.fixture
def song(player: Player) -> str:
    return str(player.cards().first.get_attribute("data-track"))


def serious(page: Page) -> list[str]:
    """Return what axe finds that is serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:200]} {v['nodes'][0]['failureSummary'][:300]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def settle(page: Page) -> None:
    """Wait until nothing moves: colours that are on their way are none of the page's."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_finding_on_any_screen(rig: Rig, player: Player, song: str, scheme: str):
    page = player.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for path in SCREENS:
        page.goto(rig.url + path.format(song=song))
        settle(page)
        assert serious(page) == [], path
        assert page.locator("h1").count() == 1, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_finding_in_any_state(rig: Rig, player: Player, scheme: str):
    page = player.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    player.play_card()
    player.open_queue()
    player.smart()
    player.add_card(3)
    assert serious(page) == [], "playing, with the queue open"
    player.button("play").click()
    player.button("why").click()
    page.locator("dialog[open]").wait_for()
    settle(page)
    assert serious(page) == [], "the why-card"
    page.keyboard.press("Escape")
    player.cards().nth(2).locator("[data-do=menu]").click()
    page.locator("#menu").wait_for()
    assert serious(page) == [], "the menu of a card"
    page.keyboard.press("Escape")
    page.route("**/stream", lambda route: route.fulfill(status=404, body="none"))
    player.cards().nth(7).locator("[data-do=play]").click()
    player.wait("error", seconds=20)
    assert serious(page) == [], "an error"
    page.locator("#search").fill("a")
    page.locator("#found [role=option]").first.wait_for()
    assert serious(page) == [], "suggestions"


def test_the_whole_player_by_keyboard(rig: Rig, player: Player, listener: str):
    """Find, play, seek, reorder and ban without a pointer, and see where the focus is."""
    page = player.page
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    title = player.cards().nth(3).locator(".title").inner_text()
    page.keyboard.type(title)
    page.locator("#found [role=option]").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/(search|song)"))
    # The address is there before the page is, which takes the focus when it comes.
    expect(page.locator("main h1")).to_be_focused(timeout=15_000)
    play = page.locator("main [data-do=play]").first
    play.wait_for()
    play.focus()
    assert _is_seen(page)
    page.keyboard.press("Enter")
    player.wait("playing")
    page.locator("#main").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("k")
    player.wait("paused")
    page.keyboard.press("k")
    player.wait("playing")
    page.keyboard.press("k")
    track = player.current()
    page.keyboard.press("q")
    page.locator("#queue").wait_for(state="visible")
    first, second, *_ = player.smart()
    down = page.locator(f"[data-testid=smart-row][data-track='{first}'] [data-row=down]")
    down.focus()
    assert _is_seen(page)
    page.keyboard.press("Enter")
    until(lambda: player.rows("smart")[:2] == [second, first], "the other order")
    player.button("ban").focus()
    page.keyboard.press("Enter")
    until(lambda: player.current() != track, "another song")
    # The other song does not wait until the ban is saved.
    chosen = until(lambda: rig.ask("GET", "/feedback", listener)["feedback"], "the ban")
    assert [c["id"] for c in chosen] == [track]


def _is_seen(page: Page) -> bool:
    """Return whether the focused element has an outline and lies under nothing."""
    return bool(
        page.evaluate(
            """() => { const e = document.activeElement, b = e.getBoundingClientRect();
            const at = document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2);
            const s = getComputedStyle(e);
            return (at === e || e.contains(at)) && (s.outlineStyle !== 'none'
              || s.boxShadow !== 'none'); }"""
        )
    )


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["320", "1280"])
def test_no_screen_scrolls_sideways(rig: Rig, player: Player, song: str, size: dict):
    page = player.page
    page.set_viewport_size(size)
    for path in SCREENS:
        page.goto(rig.url + path.format(song=song))
        settle(page)
        for text in ("100%", "200%"):
            page.evaluate("size => { document.documentElement.style.fontSize = size; }", text)
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], (path, text)


def test_targets_are_large_enough(player: Player):
    player.page.set_viewport_size(SMALL)
    player.play_card()
    player.open_queue()
    player.smart()
    small = player.page.evaluate(
        """() => [...document.querySelectorAll('button, :is(.card, #bar, .top) a, [type=checkbox]')]
        .filter(e => e.checkVisibility() && !e.closest('dialog'))
        .map(e => [e.outerHTML.slice(0, 120), e.getBoundingClientRect()])
        .filter(([, b]) => b.width && (b.width < 24 || b.height < 24)).map(([html]) => html)"""
    )
    assert small == []


def test_links_never_stop_the_music(player: Player):
    page = player.page
    player.play_card()
    player.open_queue()
    player.smart()
    page.evaluate("window.same = true")
    page.locator("main [data-testid=card] a.title").first.click()
    page.wait_for_url("**/song/**")
    page.locator("#search").fill("a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=a")
    before, at = player.current(), player.at
    page.get_by_role("link", name="Settings").click()
    page.wait_for_url("**/settings")
    page.go_back()
    page.wait_for_url("**/search?q=a")
    assert page.evaluate("window.same") is True
    assert player.state == "playing"
    until(lambda: player.current() != before or player.at > at, "music that goes on")
    player.button("play").click()


def test_hostile_titles_are_text(rig: Rig, player: Player):
    page = player.page
    odd = {
        "browser-hostile": HOSTILE,
        "browser-rtl": "أغنية الليل الطويل",
        "browser-long": "Very long title " * 19,
        "browser-coverless": "No cover at all",
    }
    db = database(rig.stack.settings)
    try:
        for track, title in odd.items():
            song = {"title": title, "artist": HOSTILE, "artist_id": "browser-odd", "plays_7d": 0}
            db[names.SONGS].replace_one({"_id": track}, song, upsert=True)
        for track, title in odd.items():
            page.goto(f"{rig.url}/song/{track}")
            assert page.locator("h1").inner_text().strip() == title.strip()
            assert page.title().startswith(title.strip()[:20])
            page.set_viewport_size(SMALL)
            assert page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"]
            cover = page.locator("main img").first
            until(lambda cover=cover: cover.evaluate("e => e.naturalWidth"), "a cover")
        assert page.locator("main img[src=x]").count() == 0
    finally:
        db[names.SONGS].delete_many({"_id": {"$in": list(odd)}})
        db.client.close()


@pytest.mark.parametrize(
    ("store", "someone"),
    [("milvus", "listener-0140"), ("redis", "listener-0141"), ("mongodb", "listener-0142")],
)
def test_home_and_music_without_a_store(rig: Rig, page: Page, sign_in, store: str, someone: str):
    """A listener with a vector, of whom no page is kept: else Milvus is not even asked."""
    sign_in(page.context, someone)
    player = Player(page)
    rig.wires[store].break_it("cut")
    try:
        page.goto(rig.url)
        page.locator(".notice").wait_for()
        player.cards().first.wait_for()
        player.play_card()
        player.wait_at(0.5)
        player.button("play").click()
    finally:
        rig.wires[store].mend()
        until(lambda: _whole(rig), "all stores again", 60)


def _whole(rig: Rig) -> bool:
    answer = rig.ask("POST", "/recommend/next", "anyone", json={"n": 1})
    return not answer["degraded"] and not rig.ask("GET", "/readyz", "anyone")["degraded"]


def test_a_new_model_in_the_middle_of_a_session(rig: Rig, player: Player, listener: str):
    """What is shown follows it, and every event names the generation that its song came from."""
    player.play_card()
    old = rig.ask("GET", "/recommend/home", listener)["generation"]
    player.smart()
    with swapped(rig, old) as new:
        until(lambda: rig.ask("GET", "/recommend/home", listener)["generation"] == new, new)
        player.page.goto(rig.url)
        player.cards().first.wait_for()
        player.play_card()
        shown = player.page.locator("[data-shelf=popular]").get_attribute("data-context")
        assert new in str(shown)
        until(
            lambda: new in {e.get("generation") for e in rig.posted.of(listener)}, "a new event", 20
        )
        player.button("play").click()
        answers = rig.posted.of(listener)
    generations = {e["play_id"]: e["generation"] for e in answers if "generation" in e}
    assert set(generations.values()) == {old, new}
    first = answers[0]["play_id"]
    assert {e["generation"] for e in answers if e["play_id"] == first} == {old}


@contextmanager
def swapped(rig: Rig, old: str) -> Iterator[str]:
    """Make a copy of the live generation live, under an id of its own, and take it back."""
    settings, new = rig.stack.settings, f"{old[:15]}b0b0b0b0"
    objects, bucket = Objects(settings), settings.lake_bucket
    for key in objects.keys(bucket, names.item_factors_path(old)):
        copy = key.replace(old, new)
        objects.put(bucket, copy, objects.get(bucket, key), "application/parquet")
    made = read_manifest(settings, old).model_copy(update={"generation": new})
    write_manifest(settings, made)
    with (
        closing(Documents(settings)) as documents,
        closing(Vectors(settings)) as vectors,
        closing(Generations(settings)) as generations,
    ):
        documents.set_vectors(new, documents.some_vectors(old, 10_000).items())
        ids = list(documents.by_plays())
        items: dict[str, list[float]] = {}
        for start in range(0, len(ids), 500):
            items |= vectors.get(old, ids[start : start + 500])
        vectors.build(new, made.params["rank"], ((i, list(v)) for i, v in items.items()))
        generations.record_trained(made)
        generations.set_state(new, State.INDEXED)
        try:
            generations.switch(new, generations.live(), why="a test")
            yield new
        finally:
            generations.switch(old, generations.live(), why="a test is over")
            documents.drop_vectors(new)
            vectors.drop(new)
            generations.remove(new)


def test_the_budgets(rig: Rig, player: Player, browser: Browser):
    page = player.page
    answers: list = []
    page.on("response", lambda answer: answers.append(answer))
    page.reload()
    player.cards().first.wait_for()
    settle(page)
    hosts = {answer.url.split("/")[2] for answer in answers}
    assert hosts <= {rig.url.split("/")[2], rig.stack.settings.s3_endpoint.split("/")[2]}
    # Answers that the page before the reload still asked for have no body any more.
    own = {a.url.partition("?")[0]: a for a in answers if a.status == 200}
    sizes = {
        url: len(answer.body())
        for url, answer in own.items()
        if url.endswith((".js", ".css")) or url == f"{rig.url}/"
    }
    scripts = sum(size for url, size in sizes.items() if url.endswith(".js"))
    styles = sum(size for url, size in sizes.items() if url.endswith(".css"))
    assert 10_000 < scripts <= 60 * 1024
    assert 1_000 < styles <= 20 * 1024
    assert sizes[f"{rig.url}/"] <= 60 * 1024
    assert page.locator("[data-shelf] [data-testid=card]").first.is_visible()
    shown = page.evaluate(
        """() => performance.getEntriesByName('first-contentful-paint')[0].startTime"""
    )
    assert shown <= 1000


def test_pages_read_without_javascript(rig: Rig, browser: Browser, listener: str, sign_in):
    context = browser.new_context(java_script_enabled=False)
    sign_in(context, listener)
    page = context.new_page()
    try:
        for path in ("/", "/search?q=a"):
            page.goto(rig.url + path)
            assert page.locator("main audio[controls]").count() > 3, path
            assert page.locator("main [data-testid=card] a.title").first.is_visible()
        page.locator("main [data-testid=card] a.title").first.click()
        assert page.locator("main audio[controls]").count() >= 1
    finally:
        context.close()


def test_a_newcomer_signs_in_out_and_erases(rig: Rig, page: Page):
    page.goto(f"{rig.url}/settings")
    page.wait_for_url("**/signin**")
    assert page.locator("main").get_by_role("button").count() > 5
    page.get_by_role("button", name=re.compile("new listener", re.IGNORECASE)).click()
    page.wait_for_url("**/settings")
    cookie = next(c for c in page.context.cookies() if c["name"] == "nocturne_token")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("export|download", re.IGNORECASE)).click()
    assert download.value.path().read_bytes().startswith(b"{")
    page.evaluate("() => localStorage.setItem('nocturne.searches', '[\"secret\"]')")
    page.get_by_role("button", name=re.compile("sign out", re.IGNORECASE)).click()
    page.wait_for_url("**/signin**")
    assert page.evaluate("() => localStorage.getItem('nocturne.searches')") is None
    assert "nocturne_token" not in {c["name"] for c in page.context.cookies()}
