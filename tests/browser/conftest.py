"""A real Chromium, an app with short clips, and listeners who are signed in."""

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from infra.local.install import browser
from tests.browser.player import Player
from tests.browser.rig import Rig, running
from tests.conftest import Published
from tests.integration.stack import Stack


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Launch the machine's Chromium as people have it: no flag lets audio play by itself."""
    found = browser()
    assert found, "Chromium is missing: `make test` installs it"
    # Chromium refuses to run as root inside its own sandbox.
    return {"executable_path": found, "args": ["--no-sandbox"] if os.geteuid() == 0 else []}


@pytest.fixture(scope="session")
def rig(stack: Stack, published: Published) -> Iterator[Rig]:
    """The app of the browser tests."""
    with running(stack) as rig:
        yield rig


@pytest.fixture
def listener() -> str:
    """A new listener, whom nobody else is."""
    return f"browser-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def sign_in(rig: Rig) -> Callable[[BrowserContext, str], None]:
    """Sign a listener in without the page for it."""

    def sign_in(context: BrowserContext, user_id: str) -> None:
        cookie = {"name": "nocturne_token", "value": rig.token(user_id), "url": rig.url}
        context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Lax"}])

    return sign_in


@pytest.fixture
def home(rig: Rig, page: Page, listener: str, sign_in: Callable[..., None]) -> Page:
    """The home page of the new listener."""
    sign_in(page.context, listener)
    page.goto(rig.url)
    return page


@pytest.fixture
def player(home: Page) -> Player:
    """The player on the home page, once its cards are there."""
    player = Player(home)
    player.cards().first.wait_for()
    return player
