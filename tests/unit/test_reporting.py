"""Pages that fetch nothing and let nobody's title become markup."""

import re

import pytest
from jinja2 import TemplateNotFound, UndefinedError
from matplotlib.figure import Figure

from jobs.reporting import html
from jobs.reporting.figures import figure_svg

PAGE = """{% extends "base.html" %}
{% block title %}{{ title }}{% endblock %}
{% block body %}{{ plot }}{% endblock %}
"""
FETCHED = re.compile(
    r"""<(?:script|link|iframe|img|object|embed)\b|@import|url\((?!#)|\b(?:src|href)="(?!#)"""
)
"""What makes a browser ask for something; `#...` is inside the page."""


@pytest.fixture
def templates(tmp_path, monkeypatch):
    """The project's templates, with one of the test's own beside them."""
    for file in html.TEMPLATES.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "page.html").write_text(PAGE)
    monkeypatch.setattr(html, "TEMPLATES", tmp_path)


def plot(title: str = "Score") -> Figure:
    figure = Figure(figsize=(4, 2))
    axes = figure.subplots()
    axes.plot([1, 2, 3], [1, 4, 9], label="trials", color="#cc5500")
    axes.set_title(title)
    axes.legend()
    return figure


def test_a_title_cannot_become_markup(templates):
    page = html.render("page.html", title="<script>alert(1)</script>", plot=figure_svg(plot()))
    assert "<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>" in page
    assert "<svg" in page  # the plot is markup, and stays it


def test_a_title_inside_a_plot_cannot_either():
    drawn = figure_svg(plot("</text><script>x</script>"), says='"><script>')
    assert "<script" not in drawn
    assert "&lt;script&gt;x" in drawn


def test_a_page_asks_for_nothing(templates):
    page = html.render("page.html", title="t", plot=figure_svg(plot()))
    assert not FETCHED.search(page)
    assert "default-src 'none'" in page


def test_black_takes_the_colour_of_the_page_and_others_stay():
    drawn = figure_svg(plot())
    assert "#000000" not in drawn
    assert "stroke: currentColor" in drawn
    assert "stroke: #cc5500" in drawn
    assert "fill: #ffffff" not in drawn


def test_the_same_figure_is_the_same_bytes():
    assert figure_svg(plot()) == figure_svg(plot())


def test_what_the_context_lacks_is_an_error(templates):
    with pytest.raises(UndefinedError, match="plot"):
        html.render("page.html", title="t")
    with pytest.raises(TemplateNotFound):
        html.render("other.html")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.04021, "0.0402"),
        (12345, "12,345"),
        (320.0, "320"),
        (1234.56, "1,234.6"),
        ("log", "log"),
    ],
)
def test_numbers_as_people_read_them(value, shown):
    assert html.number(value) == shown
