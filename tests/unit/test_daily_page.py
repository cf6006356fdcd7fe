"""The page of a day says what is wrong first, and takes no text for HTML."""

from datetime import date

from plugins.daily_page import daily_page
from plugins.page_words import Card

DAY = date(2026, 11, 26)


def test_what_is_wrong_comes_first():
    good = Card("good", "It runs.", facts=[["Lag", "0 messages"]])
    bad = Card(
        "bad", "Promise missed: training.", head=["Stage", "Age"], rows=[["Training", "3 d"]]
    )
    page = daily_page(DAY, [("Stream", good), ("Freshness", bad)])
    assert "<h1>Nocturne, 2026-11-26</h1>" in page
    assert "<li>Freshness: Promise missed: training.</li>" in page
    assert page.index("<h2>Freshness</h2>") < page.index("<h2>Stream</h2>")
    assert "<td>Training</td><td>3 d</td>" in page
    assert "as it should be" not in page


def test_a_good_morning_and_text_that_looks_like_html():
    card = Card("good", "<script>alert(1)</script>", rows=[["<b>"]], head=["<i>"])
    page = daily_page(DAY, [("History", card)])
    assert "Everything is as it should be." in page
    assert "<script>" not in page
    assert "<td>&lt;b&gt;</td>" in page
