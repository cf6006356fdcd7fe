"""What is counted: each play once, as the rules of listen, complete and skip have it."""

from tests.browser.player import Player
from tests.browser.rig import SETTLED_SECONDS, Rig, until


def test_a_song_to_its_end_is_one_listen_and_one_complete(rig: Rig, player: Player, listener: str):
    first = player.play_card()
    following = player.add_card(1)
    until(lambda: player.current() == following and player.state == "playing", "the next song")
    posted = until(lambda: len(p := rig.posted.of(listener)) >= 2 and p, "two events")
    assert [(e["action"], e["track_id"]) for e in posted[:2]] == [
        ("listen", first),
        ("complete", first),
    ]
    listen, complete = posted[:2]
    assert listen["play_id"] == complete["play_id"]
    assert listen["event_id"] != complete["event_id"]
    assert listen["origin"].startswith("shelf:")
    assert complete["cause"] == "ended"
    assert complete["listened_ms"] >= 0.9 * 1000 * complete["total_duration"]
    assert listen["generation"] == complete["generation"]
    assert listen["rank"] >= 1
    player.button("play").click()
    player.wait("paused")
    assert [e["track_id"] for e in rig.posted.of(listener)].count(first) == 2


def test_next_before_half_is_a_skip_and_after_half_a_listen(
    rig: Rig, player: Player, listener: str
):
    first = player.play_card()
    second, third = player.add_card(1), player.add_card(2)
    player.wait_at(0.4)
    player.button("next").click()
    until(lambda: player.current() == second, "the second song")
    player.wait_at(2.0)
    player.button("next").click()
    until(lambda: player.current() == third, "the third song")
    player.button("play").click()
    assert rig.posted.actions(listener, 2) == ["skip", "listen"]
    skip, listen = rig.posted.of(listener)
    assert (skip["track_id"], skip["cause"]) == (first, "next")
    assert 300 <= skip["listened_ms"] < 1500
    assert listen["track_id"] == second


def test_dragging_to_the_end_is_no_listening(rig: Rig, player: Player, listener: str):
    player.play_card()
    player.wait_at(0.2)
    player.seek(0.95)
    assert until(lambda: rig.posted.of(listener), "an event")[0]["cause"] == "scrub"
    until(lambda: player.state == "playing", "the next song")
    player.button("play").click()
    scrubbed = rig.posted.of(listener)[0]
    assert (scrubbed["action"], scrubbed["listened_ms"] < 1500) == ("skip", True)
    track = scrubbed["track_id"]
    rig.posted.actions(listener, 1)
    assert [e["action"] for e in rig.posted.of(listener) if e["track_id"] == track] == ["skip"]


def test_a_pause_is_not_heard_and_each_repeat_is_a_play(rig: Rig, player: Player, listener: str):
    player.play_card()
    player.page.locator("[data-testid=repeat]").click()
    player.wait_at(0.5)
    player.button("play").click()
    player.wait("paused")
    player.page.wait_for_timeout(3000)
    player.button("play").click()

    def completed() -> list:
        return [e for e in rig.posted.of(listener) if e["action"] == "complete"]

    until(lambda: len(completed()) >= 2, "two whole plays")
    player.button("play").click()
    one, other = completed()[:2]
    assert one["track_id"] == other["track_id"]
    assert one["play_id"] != other["play_id"]
    for event in (one, other):
        assert event["listened_ms"] <= 1000 * event["total_duration"] + 200
    listens = [e["play_id"] for e in rig.posted.of(listener) if e["action"] == "listen"]
    assert len(set(listens)) == len(listens)
    assert {one["play_id"], other["play_id"]} <= set(listens)


def test_what_ended_offline_is_stored_once_later(rig: Rig, player: Player, listener: str):
    player.play_card()
    player.smart()
    player.wait_at(1.0)
    player.page.context.set_offline(True)
    until(lambda: player.at < 0.5 or player.state != "playing", "the end of the song")
    assert "complete" not in [e["action"] for e in rig.posted.of(listener)]
    player.page.wait_for_timeout(1000)
    if player.state == "playing":
        player.button("play").click()
    player.page.context.set_offline(False)
    until(
        lambda: "complete" in [e["action"] for e in rig.posted.of(listener)],
        "what waited in the outbox",
        40,
    )
    player.page.wait_for_timeout(1000 * SETTLED_SECONDS)
    first = rig.posted.of(listener)[0]["play_id"]
    mine = [e["action"] for e in rig.posted.of(listener) if e["play_id"] == first]
    assert sorted(mine) == ["complete", "listen"]


def test_an_answer_that_was_cut_is_asked_for_again_and_counted_once(
    rig: Rig, player: Player, listener: str
):
    cut, results = [], []

    def handle(route):
        answer = route.fetch()
        said = answer.json()
        if not cut:
            cut.append(said["results"])
            route.abort()
        else:
            route.fulfill(json=said, status=answer.status)
            results.extend(said["results"])

    player.page.route("**/events", handle)
    player.play_card()
    player.wait_at(1.8)
    player.button("play").click()
    # Routes are handled while the page is asked something.
    until(lambda: player.state and results, "the same event again, within half a minute", 40)
    assert cut[0][0]["status"] == "accepted"
    assert (results[0]["event_id"], results[0]["status"]) == (cut[0][0]["event_id"], "duplicate")
    assert rig.posted.actions(listener, 1) == ["listen"]


def test_a_closed_tab_is_no_skip_and_the_song_goes_on_where_it_was(
    rig: Rig, player: Player, listener: str
):
    track = player.play_card()
    mine = [player.add_card(1), player.add_card(2)]
    player.wait_at(0.8)
    position = player.at
    context = player.page.context
    player.page.close()
    again = Player(context.new_page())
    again.page.goto(rig.url)
    again.wait("paused")
    assert again.current() == track
    again.open_queue()
    assert again.rows("mine") == mine
    until(lambda: abs(again.at - position) < 1.0, f"the position {position}, not {again.at}")
    assert rig.posted.of(listener) == []
    again.button("play").click()
    until(lambda: again.current() == mine[0], "the end of the song")
    again.button("play").click()
    posted = rig.posted.of(listener)
    until(lambda: len(rig.posted.of(listener)) >= 2, "listen and complete")
    posted = [e for e in rig.posted.of(listener) if e["track_id"] == track]
    assert [e["action"] for e in posted] == ["listen", "complete"]
    assert len({e["play_id"] for e in posted}) == 1


def test_two_tabs_play_one_at_a_time_and_count_once(rig: Rig, player: Player, listener: str):
    track = player.play_card()
    other = Player(player.page.context.new_page())
    other.page.goto(rig.url)
    other.cards().first.wait_for()
    started = other.play_card(3)
    player.wait("paused")
    assert other.state == "playing"
    assert player.current() == track
    until(lambda: [e for e in rig.posted.of(listener) if e["track_id"] == started], "its listen")
    other.button("play").click()
    other.wait("paused")
    other.page.wait_for_timeout(1000 * SETTLED_SECONDS)
    seen = [(e["play_id"], e["action"]) for e in rig.posted.of(listener)]
    assert len(set(seen)) == len(seen)
