"""The daily report: the operator's cards as they were, on one page that needs nothing else."""

from datetime import UTC, date, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from plugins.page_words import Card, moment

FILES = Path(__file__).with_name("page_files")
WORDS = {"good": "Good", "warning": "Look", "bad": "Bad", "unknown": "Unknown"}
ORDER = ("bad", "unknown", "warning", "good")


def daily_page(day: date, cards: list[tuple[str, Card]]) -> str:
    """Return the page of a day; what is wrong is said first."""
    found = Environment(
        loader=FileSystemLoader(FILES), autoescape=True, undefined=StrictUndefined
    ).get_template("daily.html")
    wrong = [(title, card.said) for title, card in cards if card.state != "good"]
    ranked = sorted(cards, key=lambda both: ORDER.index(both[1].state))
    return found.render(
        day=day.isoformat(),
        at=moment(datetime.now(UTC)),
        wrong=wrong,
        cards=ranked,
        words=WORDS,
        style=(FILES / "page.css").read_text(),
    )
