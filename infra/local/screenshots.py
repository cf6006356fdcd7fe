"""`make screenshots`: pictures of every screen of the player, small and large, light and dark.

Of the running stack, as the listener LISTENER sees it, and of the operator's page. They go to
infra/docs/screenshots.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from infra.local import stack
from infra.local.airflow_client import Airflow
from infra.local.config import HOST, environment, load_local, stack_secrets
from infra.local.install import ROOT, browser
from jobs.contract.errors import NocturneError
from jobs.contract.settings import load_settings
from jobs.contract.tokens import listener_token

FOLDER = ROOT / "infra/docs/screenshots"
SIZES = {"320": {"width": 320, "height": 568}, "1280": {"width": 1280, "height": 800}}
SCHEMES = ("light", "dark")
LISTENER = os.environ.get("LISTENER", "listener-0000")


def visit(path: str) -> Callable[[Page, str], None]:
    """Return what opens a page."""
    return lambda page, url: page.goto(url + path) and None


def playing(page: Page, url: str) -> None:
    """Open the home page and play its first song."""
    page.goto(url)
    page.locator("main [data-do=play]").first.click()
    page.locator("html[data-state=playing]").wait_for()


def queue(page: Page, url: str) -> None:
    """Play a song and look into the queue."""
    playing(page, url)
    page.locator("main [data-do=add]").nth(3).click()
    page.get_by_test_id("queue").click()
    page.get_by_test_id("smart-row").nth(2).wait_for()


def why(page: Page, url: str) -> None:
    """Play a song and ask why."""
    playing(page, url)
    page.get_by_test_id("play").click()
    page.get_by_test_id("why").click()
    page.locator("dialog[open]").wait_for()


def song(page: Page, url: str) -> None:
    """Open the page of the first song."""
    page.goto(url)
    page.locator("main [data-testid=card] a.title").first.click()
    page.wait_for_url("**/song/**")


def roll_back(page: Page, url: str) -> None:
    """Open the operator's page and the dialog that rolls back, where there is a choice."""
    operators(page, url)
    buttons = page.locator("#card-live button")
    if buttons.count():
        buttons.first.click()


def operators(page: Page, url: str) -> None:
    """Open the operator's page."""
    page.goto(f"{url}/nocturne/")
    for card in page.locator(".card").all():
        card.locator(".age", has_text="ago").wait_for()


SCREENS: dict[str, Callable[[Page, str], None]] = {
    "home": visit("/"),
    "playing": playing,
    "queue": queue,
    "why": why,
    "search": visit("/search?q=the"),
    "nothing-found": visit("/search?q=nothing-at-all"),
    "song": song,
    "missing": visit("/song/no-such-song"),
    "settings": visit("/settings"),
    "sign-in": visit("/signin"),
}
OPERATORS: dict[str, Callable[[Page, str], None]] = {
    "operators": operators,
    "operators-rollback": roll_back,
}


def main() -> int:
    """Take the pictures; 1 with a sentence where that is not possible."""
    try:
        local = stack.remembered(load_local())
        if stack.supervisor(local) is None:
            raise NocturneError("the local stack is not running: run `make demo` first")
        if browser() is None:
            raise NocturneError("there is no Chromium: install your distribution's package")
        os.environ.update(environment(local))
        token = listener_token(load_settings(), LISTENER)
        airflow = f"http://{HOST}:{local.airflow_port}"
        admin = Airflow(airflow, "admin", stack_secrets(local.state)["airflow_admin"]).token
        take(f"http://{HOST}:{local.app_port}", token, airflow, admin)
    except (NocturneError, Error) as error:
        print(f"screenshots: ERROR: {error}", file=sys.stderr)
        return 1
    return 0


def take(app: str, listener: str, airflow: str, admin: str) -> None:
    """Take a picture of every screen at every size in every scheme."""
    doors = [
        (app, {"name": "nocturne_token", "value": listener, "url": app}, SCREENS),
        (airflow, {"name": "_token", "value": admin, "url": airflow}, OPERATORS),
    ]
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Chromium refuses to run as root inside its own sandbox.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=options)
        for width, size in SIZES.items():
            for scheme in SCHEMES:
                for url, cookie, screens in doors:
                    for name, show in screens.items():
                        # Playwright's types want its own TypedDicts and literals.
                        context = chromium.new_context(
                            viewport=size,  # type: ignore[arg-type]
                            color_scheme=scheme,  # type: ignore[arg-type]
                        )
                        if name != "sign-in":
                            context.add_cookies([cookie])  # type: ignore[list-item]
                        _shoot(context, FOLDER / f"{name}-{width}-{scheme}.png", show, url)
                print(f"screenshots: {width} {scheme}", flush=True)
        chromium.close()


def _shoot(
    context: BrowserContext, path: Path, show: Callable[[Page, str], None], url: str
) -> None:
    page = context.new_page()
    show(page, url)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    page.screenshot(path=path)
    context.close()


if __name__ == "__main__":
    sys.exit(main())
