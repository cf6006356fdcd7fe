"""The corners: a session that ended, a sheet that covers the page, and where the focus goes."""

from playwright.sync_api import Page, expect

from tests.browser.player import Player
from tests.browser.rig import Rig, until
from tests.browser.test_pages import LARGE, SMALL


def test_a_link_closes_the_queue_only_where_it_covers_the_page(player: Player):
    page = player.page
    player.play_card()
    for size, covered in ((LARGE, False), (SMALL, True)):
        page.set_viewport_size(size)
        player.open_queue()
        page.get_by_role("link", name="Settings").click()
        page.wait_for_url("**/settings")
        expect(page.locator("h1")).to_be_focused()
        assert page.locator("#queue").is_hidden() is covered
        page.get_by_role("link", name="Nocturne").click()
        player.cards().first.wait_for()
    player.button("play").click()


def test_a_session_that_ended_is_told_once_and_loses_nothing(
    rig: Rig, player: Player, listener: str, sign_in
):
    page = player.page
    song = player.play_card()
    player.smart()
    page.context.clear_cookies()
    player.wait_at(0.3)
    player.button("next").click()
    toast = player.toast("sign in again, and what you play")
    # What comes next comes from the songs of this session, as for a stranger.
    player.wait("playing")
    until(lambda: len(player.rows("smart")) >= 3, "smart songs for a stranger")
    player.button("play").click()
    player.button("love").click()
    player.toast("could not be saved: sign in again")
    assert page.get_by_test_id("toast").count() == 2
    assert rig.posted.of(listener) == []
    toast.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/signin?next=%2F")
    sign_in(page.context, listener)
    page.goto(rig.url)
    assert rig.posted.actions(listener, 1)[0] == "skip"
    assert rig.posted.of(listener)[0]["track_id"] == song


def test_a_stranger_without_songs_is_told_so(rig: Rig, page: Page):
    song = rig.ask("GET", "/songs?limit=1", "anyone")["songs"][0]["track_id"]
    page.goto(f"{rig.url}/song/{song}")
    player = Player(page)
    player.listen()
    player.button("next").click()
    player.toast("no other song was found")
    assert player.state == "idle"
    assert player.sent("/recommend/") == []


def test_the_focus_stays_where_one_was(rig: Rig, player: Player, listener: str):
    page = player.page
    player.play_card()
    player.button("play").click()
    player.button("love").focus()
    page.keyboard.press("Enter")
    until(lambda: rig.ask("GET", "/feedback", listener)["feedback"], "the love")
    player.toast("loved").get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(player.button("love")).to_be_focused()
    until(lambda: rig.ask("GET", "/feedback", listener)["feedback"] == [], "the undone love")

    player.open_queue()
    player.add_card(2)
    page.locator("[data-do=clear]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#queue h2")).to_be_focused()
    assert player.rows("mine") == []


def test_the_last_choice_taken_back_leaves_a_sentence(player: Player):
    page = player.page
    for number in (0, 1):
        player.cards().nth(number).locator("[data-do=menu]").click()
        with page.expect_response("**/feedback"):
            page.locator("#menu [data-menu=love]").click()
    page.get_by_role("link", name="Settings").click()
    rows, nothing = page.locator(".choices li"), page.locator("#no-choices")
    expect(rows).to_have_count(2)
    for left in (1, 0):
        rows.first.get_by_role("button").focus()
        page.keyboard.press("Enter")
        expect(rows).to_have_count(left)
        expect(page.locator("#choices")).to_be_focused()
        assert nothing.is_visible() is (left == 0)


def test_the_search_box_says_what_is_shown(player: Player):
    page, box = player.page, player.page.locator("#search")
    for text in ("a", "b"):
        box.fill(text)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/search?q={text}")
    page.go_back()
    page.wait_for_url("**/search?q=a")
    expect(box).to_have_value("a")
    page.get_by_role("link", name="Nocturne").click()
    player.cards().first.wait_for()
    expect(box).to_have_value("")


def test_a_song_is_no_reason_for_itself(player: Player):
    page = player.page

    def handle(route):
        answer = route.fetch().json()
        for song in answer["songs"]:
            song["reason"]["songs"] = [
                {"track_id": song["track_id"], "title": "Itself", "share": 0.6},
                {"track_id": "another", "title": "Another", "share": 0.4},
            ]
        route.fulfill(json=answer)

    page.route("**/recommend/next", handle)
    player.play_card()
    player.smart()
    page.locator("[data-testid=smart-row] [data-row=jump]").first.click()
    player.wait("playing")
    player.button("play").click()
    player.button("why").click()
    expect(page.locator("#why .shares li")).to_have_text(["Another40 %"])
    page.unroute_all(behavior="ignoreErrors")
