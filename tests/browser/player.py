"""The player as a test uses it: by its buttons, and by what the page says of itself."""

import re
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Locator, Page

from tests.browser.rig import until

PLAYING_SECONDS = 10.0


class Player:
    """The player of one page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def state(self) -> str:
        """Return idle, loading, playing, paused, buffering, blocked or error."""
        return str(self.page.evaluate("document.documentElement.dataset.state"))

    @property
    def at(self) -> float:
        """Return the position in the song, in seconds."""
        return float(self.page.evaluate("document.querySelector('audio[data-active]').currentTime"))

    @property
    def title(self) -> str:
        """Return the title in the bar."""
        return self.page.locator("#title").inner_text()

    def button(self, test_id: str) -> Locator:
        """Return a button of the bar."""
        return self.page.get_by_test_id(test_id)

    def cards(self) -> Locator:
        """Return all cards of songs that can be played."""
        return self.page.locator("main [data-testid=card]", has=self.page.locator("[data-do=play]"))

    def play_card(self, number: int = 0) -> str:
        """Click on a card's play button; return the song's track id."""
        card = self.cards().nth(number)
        track = str(card.get_attribute("data-track"))
        card.scroll_into_view_if_needed()
        card.locator("[data-do=play]").click()
        self.wait("playing")
        return track

    def add_card(self, number: int) -> str:
        """Click on a card's button that adds it to the queue; return the song's track id."""
        card = self.cards().nth(number)
        card.locator("[data-do=add]").click()
        return str(card.get_attribute("data-track"))

    def wait(self, *states: str, seconds: float = PLAYING_SECONDS) -> None:
        """Wait until the player is in one of these states."""
        until(lambda: self.state in states, f"{' or '.join(states)}, it is {self.state}", seconds)

    def wait_at(self, seconds: float) -> None:
        """Wait until so much of the song was played."""
        until(lambda: self.at >= seconds, f"second {seconds} of the song")

    def seek(self, share: float) -> None:
        """Drag to this share of the song, as a listener does with the pointer."""
        box = self.button("seek").bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)

    def current(self) -> str:
        """Return the track id of the song that plays."""
        href = self.page.locator("#title").get_attribute("href") or ""
        return href.rpartition("/")[2]

    def rows(self, which: str) -> list[str]:
        """Return the track ids of the queue's `mine` or `smart` rows, in order."""
        return [
            str(row.get_attribute("data-track"))
            for row in self.page.get_by_test_id(f"{which}-row").all()
        ]

    def smart(self, at_least: int = 3) -> list[str]:
        """Return the smart rows of the open queue, once there are enough."""
        self.open_queue()
        return until(
            lambda: rows if len(rows := self.rows("smart")) >= at_least else None,
            f"{at_least} smart songs",
        )

    def open_queue(self) -> None:
        """Show the queue."""
        queue = self.page.locator("#queue")
        if not queue.is_visible():
            self.button("queue").click()
        queue.wait_for(state="visible")

    def toast(self, text: str) -> Locator:
        """Wait for a notice with this text."""
        found = self.page.get_by_test_id("toast").filter(has_text=re.compile(text, re.IGNORECASE))
        found.first.wait_for()
        return found.first

    def sent(self, kind: str) -> list[Any]:
        """Return the requests of this kind (a part of the address) since `listen`."""
        return [r for r in self._requests if kind in r.url]

    def listen(self) -> None:
        """Begin to count requests anew."""
        if not hasattr(self, "_requests"):
            self._requests: list[Any] = []
            self.page.on("request", lambda request: self._requests.append(request))
        self._requests.clear()


def most_in_any_five(artists: Sequence[str | None]) -> int:
    """Return how often one artist comes in any five songs in a row, at most."""
    return max(
        max((row.count(a) for a in row if a), default=0)
        for row in (artists[n : n + 5] for n in range(max(1, len(artists) - 4)))
    )
