"""The documentation site in Chromium, opened as files: diagrams, search, and no other host."""

import shutil

import pytest

from infra.site.build import build, lay_out
from infra.site.scripts import scripts


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    stage = tmp_path_factory.mktemp("docs")
    lay_out(stage)
    for script in scripts():
        shutil.copy(script, stage / "docs/scripts")
    build(stage)
    return stage / "site"


@pytest.fixture
def asked(page):
    """Addresses that the page asked for and that are no files of the site."""
    found = set()
    page.on("request", lambda request: found.add(request.url))
    return lambda: {url for url in found if not url.startswith(("file:", "data:", "blob:"))}


@pytest.mark.parametrize("name", ["index", "infra/docs/nights"])
def test_diagrams_are_drawn_without_a_network(site, page, asked, name):
    page.goto((site / f"{name}.html").as_uri())
    diagram = page.locator("div.mermaid")
    diagram.wait_for()
    assert diagram.bounding_box()["height"] > 100
    assert asked() == set()


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["from_zero", "nights", "broken"])
def test_guides_fit_the_screen(site, page, asked, name, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto((site / f"infra/docs/{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert asked() == set()


def test_search_finds_an_alert_by_its_name(site, page, asked):
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Control+k")
    page.keyboard.type("lag_growing", delay=30)
    page.get_by_role("link", name="When something breaks").first.wait_for()
    assert asked() == set()
