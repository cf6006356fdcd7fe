"""A listener's story, through the doors that people use: from the first song to the own shelf."""

import re
from datetime import UTC, datetime, timedelta

import requests
from playwright.sync_api import Page

from jobs.contract import names
from jobs.contract.tokens import listener_token
from tests.browser.airflow_ui import AirflowUI
from tests.browser.player import Player
from tests.browser.rig import until
from tests.integration.stack import Stack

SEEDS = 3


def test_from_nobody_to_made_for_you(stack: Stack, published, db, page: Page, listener: str):
    """Three songs of a genre to the end, a home and a queue of that genre, a ban, and a night."""
    headers = {"Authorization": f"Bearer {listener_token(stack.settings, listener)}"}

    def ask(method: str, path: str, **given: object) -> dict:
        url = stack.app_url + path
        answer = requests.request(method, url, headers=headers, timeout=30, **given)
        answer.raise_for_status()
        return dict(answer.json())

    before_all = db[names.SERVING_STATE].find_one({"_id": names.LIVE})["generation"]
    page.goto(f"{stack.app_url}/signin")
    cookie = {"name": "nocturne_token", "value": headers["Authorization"].split()[1]}
    page.context.add_cookies([{**cookie, "url": stack.app_url}])
    page.goto(stack.app_url)
    player = Player(page)
    player.cards().first.wait_for()
    before = ask("GET", "/recommend/home")
    assert before["fallback"] == "unknown_listener"
    page.get_by_test_id("shelf-popular").wait_for()

    genre, seeds = _seeds(ask)
    player.open_queue()
    page.get_by_test_id("autoplay").uncheck()
    for track in seeds:
        page.goto(f"{stack.app_url}/song/{track}")
        page.locator("main [data-do=play]").first.click()
        player.wait("playing")
        until(lambda: player.state == "paused", "the end of the song")
    began = datetime.now(UTC)
    played = [track for track in seeds if track]

    def personal() -> dict | None:
        home = ask("GET", "/recommend/home")
        return home if home["strategy"] == "fold_in" else None

    home = until(personal, "a home page that knows the plays", 60)
    assert datetime.now(UTC) - began < timedelta(minutes=1)
    tracks = [song["track_id"] for song in home["songs"]]
    assert not set(tracks) & set(played)
    assert _share(home["songs"], genre) > 2 * _share(before["songs"], genre) or (
        _share(home["songs"], genre) > 0.5
    )
    body = {"current": seeds[-1], "recent": seeds[:-1], "n": 10}
    following = ask("POST", "/recommend/next", json=body)["songs"]
    assert _share(following, genre) > 0.5

    page.goto(stack.app_url)
    page.get_by_test_id("shelf-made_for_you").wait_for()
    banned = player.play_card()
    player.button("ban").click()
    until(lambda: banned not in _listed(ask), "a home page without the banned song", 10)

    # The night, by an operator's hand: a training up to now knows what was played today.
    until(lambda: _in_the_lake(db, seeds), "the plays in the lake and in the counts", 60)
    airflow = stack.airflow()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    operator = AirflowUI(stack, page.context.new_page(), "op")
    run = operator.trigger("train_als", "approval", as_of=tomorrow, override="a test's own night")
    operator.approve(re.compile("NDCG@10"))
    operator.watch("train_als", run)
    for dag, caused in airflow.runs_caused_by("train_als", run):
        airflow.expect_success(dag, caused)
        operator.watch(dag, caused)
    live = db[names.SERVING_STATE].find_one({"_id": names.LIVE})["generation"]
    known = db[names.USERS].find_one({"_id": listener})
    assert known["vectors"][live]
    page.goto(stack.app_url)
    page.get_by_test_id("shelf-made_for_you").wait_for()
    after = ask("GET", "/recommend/home")
    assert after["generation"] == live
    assert "fallback" not in after
    assert after["shelves"][0]["id"] == "made_for_you"
    assert banned not in _listed(ask)
    # For the other tests, the plays of today are not in the window.
    stack.done("rollback", "--to", before_all, "--reason", "the story is over")


def _seeds(ask) -> tuple[str, list[str]]:
    """Return the genre of most songs, and three of its most played songs by different artists."""
    songs, cursor = [], ""
    while True:
        page = ask("GET", f"/songs?limit=100{cursor}")
        songs += [song for song in page["songs"] if song["genre"] and song["playable"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    genres = [song["genre"] for song in songs]
    genre = max(sorted(set(genres)), key=genres.count)
    best = sorted(
        (s for s in songs if s["genre"] == genre),
        key=lambda s: (-s["plays_cumulative"], s["track_id"]),
    )
    by_artist = {song["artist_id"]: song["track_id"] for song in reversed(best)}
    return genre, list(by_artist.values())[-SEEDS:]


def _share(songs: list[dict], genre: str) -> float:
    return sum(song["genre"] == genre for song in songs) / len(songs)


def _listed(ask) -> set[str]:
    home = ask("GET", "/recommend/home")
    return {song["track_id"] for shelf in home["shelves"] for song in shelf["songs"]}


def _in_the_lake(db, seeds: list[str]) -> bool:
    found = db[names.SONGS].find({"_id": {"$in": seeds}}, {"plays_7d": 1})
    return all(song["plays_7d"] > 0 for song in found)
