"""Audio from the object store: addresses that end, and where the song goes on."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page

from jobs.contract import names
from jobs.simulate.audio import make_clip
from jobs.stores.objects import Objects
from tests.browser.player import Player
from tests.browser.rig import Rig, running, until

ADDRESS_SECONDS = 3
LONG_SECONDS = 1800.0
"""More than a browser reads ahead."""


@pytest.fixture(scope="module")
def brief(stack, published) -> Iterator[Rig]:
    """An app whose addresses of audio live for three seconds."""
    with running(stack, NOCTURNE_MEDIA_SECONDS=str(ADDRESS_SECONDS)) as rig:
        yield rig


def test_an_address_that_ended_while_paused_is_asked_for_anew(
    brief: Rig, page: Page, listener: str, sign_in
):
    sign_in(page.context, listener)
    page.goto(brief.url)
    player = Player(page)
    player.cards().first.wait_for()
    track = str(player.cards().first.get_attribute("data-track"))
    objects, bucket = Objects(brief.stack.settings), brief.stack.settings.media_bucket
    key = names.audio_key(track)
    short = objects.get(bucket, key)
    objects.put(bucket, key, make_clip(track, "folk", LONG_SECONDS), "audio/mpeg")
    try:
        player.listen()
        player.play_card()
        player.wait_at(1.0)
        player.button("play").click()
        player.wait("paused")
        stream = f"{brief.url}/songs/{track}/stream"
        address = requests.get(stream, allow_redirects=False, timeout=10).headers["Location"]
        assert requests.get(address, timeout=10).status_code == 200
        page.wait_for_timeout(1000 * (ADDRESS_SECONDS + 2))
        assert requests.get(address, timeout=10).status_code == 403
        player.seek(0.8)
        place = 0.8 * LONG_SECONDS
        player.button("play").click()
        until(lambda: player.state == "playing" and player.at > place - 15, "the same place", 30)
        assert abs(player.at - place) < 15
        assert len(player.sent("/stream")) >= 2
        player.button("play").click()
        assert brief.posted.of(listener) == []
    finally:
        objects.put(bucket, key, short, "audio/mpeg")
