"""The queue: mine before smart, never dry, never twice, and silent when it shall be."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from jobs.contract import names
from jobs.stores.objects import Objects
from serving.recommend.works import work_of
from tests.browser.player import Player, most_in_any_five
from tests.browser.rig import Rig, until

GAP_MS = 300
"""Between the end of one song and the sound of the next one."""


def test_three_smart_songs_are_in_sight_before_the_queue_ends(player: Player):
    player.page.evaluate(
        """() => { window.gaps = []; let ended = 0;
        for (const a of document.querySelectorAll('audio')) {
          a.addEventListener('ended', () => { ended = performance.now(); });
          a.addEventListener('playing', () => {
            if (ended) window.gaps.push(performance.now() - ended); ended = 0; }); } }"""
    )
    first = player.play_card()
    player.open_queue()
    smart = player.smart()
    assert player.current() == first
    assert player.page.locator("[data-testid=smart-row] .chip").first.inner_text()
    until(lambda: player.current() == smart[0] and player.state == "playing", "the first of them")
    until(lambda: player.current() == smart[1] and player.state == "playing", "the second")
    player.button("play").click()
    gaps = player.page.evaluate("window.gaps")
    assert len(gaps) >= 2
    assert max(gaps) < GAP_MS, gaps


def test_with_autoplay_off_it_stops_and_asks_for_nothing(player: Player):
    player.open_queue()
    player.button("autoplay").uncheck()
    player.listen()
    player.play_card()
    until(lambda: player.state != "playing", "the end of the song")
    player.page.get_by_test_id("status").filter(has_text="stops here").wait_for()
    player.page.wait_for_timeout(1000)
    assert player.state == "paused"
    assert player.sent("/recommend/next") == []
    assert player.rows("smart") == []
    # A deliberate Next is an order, not autoplay.
    player.button("next").click()
    player.wait("playing")
    assert player.sent("/recommend/next")


def test_my_songs_play_before_smart_ones_and_survive_another_start(player: Player):
    player.play_card()
    player.open_queue()
    player.smart()
    mine = [player.add_card(4), player.add_card(5)]
    other = player.play_card(6)
    assert player.rows("mine") == mine
    until(lambda: player.current() == mine[0], "the first of mine")
    until(lambda: player.current() == mine[1], "the second of mine")
    smart = player.smart()
    assert not {other, *mine} & set(smart)
    until(lambda: player.current() in smart, "a smart song")
    player.button("play").click()


def test_sixty_songs_in_a_row(rig: Rig, player: Player):
    """Each is let play for a moment and dragged to its end."""
    songs = {s["track_id"]: s for s in _catalogue(rig)}
    played = [player.play_card()]
    while len(played) < 61:
        before = played[-1]
        player.smart(1)
        player.wait("playing")
        player.page.evaluate(
            "() => { const a = document.querySelector('audio[data-active]');"
            " a.currentTime = a.duration - 0.05; }"
        )
        until(lambda before=before: player.current() != before, "the next song")
        played.append(player.current())
    player.button("play").click()
    assert len(set(played)) == 61
    assert len({work_of(songs[track]) for track in played}) == 61
    assert most_in_any_five([songs[track]["artist_id"] for track in played]) <= 2


def _catalogue(rig: Rig) -> list:
    songs, cursor = [], ""
    while True:
        page = rig.ask("GET", f"/songs?limit=100{cursor}", "anyone")
        songs += page["songs"]
        if page["next_cursor"] is None:
            return songs
        cursor = f"&cursor={page['next_cursor']}"


def test_a_ban_holds_at_once_and_can_be_undone(rig: Rig, player: Player, listener: str):
    banned = player.play_card()
    player.smart()
    player.wait_at(0.3)
    player.button("ban").click()
    until(lambda: player.current() != banned, "another song")
    toast = player.toast("will not play again")
    player.button("play").click()
    assert rig.posted.actions(listener, 1) == ["skip"]
    assert rig.posted.of(listener)[0]["cause"] == "ban"
    for current in player.smart()[:3]:
        answer = rig.ask("POST", "/recommend/next", listener, json={"current": current, "n": 10})
        assert banned not in {song["track_id"] for song in answer["songs"]}
    home = rig.ask("GET", "/recommend/home", listener)
    assert banned not in {s["track_id"] for shelf in home["shelves"] for s in shelf["songs"]}
    toast.get_by_role("button").click()
    until(lambda: rig.ask("GET", "/feedback", listener)["feedback"] == [], "the undone ban")


@pytest.mark.parametrize("trouble", ["error", "slow", "empty"])
def test_the_music_goes_on_without_recommendations(player: Player, trouble: str):
    player.play_card()
    player.smart()

    def handle(route):
        if trouble == "error":
            route.fulfill(status=500, body="{}", content_type="application/problem+json")
        elif trouble == "slow":
            time.sleep(5)
            route.continue_()
        else:
            answer = route.fetch()
            route.fulfill(json=answer.json() | {"songs": [], "exhausted": True})

    player.page.route("**/recommend/next", handle)
    heard = {player.current()}
    for _ in range(5):
        before = player.current()
        player.button("next").click()
        until(
            lambda before=before: player.current() != before and player.state == "playing",
            "another song",
            20,
        )
        heard.add(player.current())
    assert len(heard) == 6
    if trouble != "slow":
        player.toast("home page|recommendation")
    player.button("play").click()
    player.page.unroute_all(behavior="ignoreErrors")


def test_a_pause_while_the_next_song_is_looked_for_holds(player: Player):
    """Neither the song that was left nor the one that is found breaks the silence."""
    waiting = []

    def hold(route):
        waiting.append(route)

    player.page.route("**/recommend/next", hold)
    left = player.play_card()
    player.button("next").click()
    player.page.get_by_test_id("status").filter(has_text="Finding").wait_for()
    player.page.evaluate(
        """() => { window.sounds = 0; for (const a of document.querySelectorAll('audio'))
        a.addEventListener('playing', () => { window.sounds += 1; }); }"""
    )
    player.page.locator("#main").focus()  # a button keeps its keys to itself
    player.page.keyboard.press("k")
    expect(player.button("play")).to_have_accessible_name("Play")
    waiting[-1].continue_()
    until(lambda: player.current() != left and player.state == "paused", "the next song, silent")
    assert player.page.evaluate("window.sounds") == 0
    player.page.unroute_all(behavior="ignoreErrors")
    player.page.keyboard.press("k")
    player.wait("playing")
    player.button("play").click()


def test_after_three_songs_without_audio_it_pauses_and_counts_nothing(
    rig: Rig, player: Player, listener: str
):
    player.listen()
    with without_audio(rig):
        player.cards().first.locator("[data-do=play]").click()
        player.wait("error", seconds=20)
        player.page.get_by_test_id("status").filter(has_text="3 songs in a row").wait_for()
        assert player.page.get_by_test_id("toast").count() == 1
        tracks = {r.url.split("/songs/")[1].split("/")[0] for r in player.sent("/stream")}
        assert len(tracks) >= 3
        player.page.wait_for_timeout(1500)
        assert player.state == "error"
    assert rig.posted.of(listener) == []


@contextmanager
def without_audio(rig: Rig) -> Iterator[None]:
    """Let the object store have no audio for a while."""
    objects, bucket = Objects(rig.stack.settings), rig.stack.settings.media_bucket
    kept = {key: objects.get(bucket, key) for key in objects.keys(bucket, f"{names.AUDIO}/")}
    objects.delete_below(bucket, f"{names.AUDIO}/")
    try:
        yield
    finally:
        for key, body in kept.items():
            objects.put(bucket, key, body, "audio/mpeg")
