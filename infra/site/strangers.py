"""What built pages would fetch from other hosts, which none of them may."""

import re
from html.parser import HTMLParser
from pathlib import Path

FETCHED = {"script", "link", "img", "iframe", "source", "audio", "video", "object", "embed"}
ATTRIBUTES = {"src", "href", "data", "srcset", "poster"}
ELSEWHERE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
IN_CSS = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if tag in FETCHED and name in ATTRIBUTES and ELSEWHERE.match(value or ""):
                self.found.add(str(value))


def strangers(site: Path) -> set[str]:
    """Return the addresses of scripts, styles, fonts and images on other hosts; links are fine."""
    found = set()
    for path in site.rglob("*.html"):
        page = _Page()
        page.feed(path.read_text())
        found |= page.found
    for path in (*site.rglob("*.html"), *site.rglob("*.css")):
        found |= set(IN_CSS.findall(path.read_text()))
    return found
