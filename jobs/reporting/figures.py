"""Matplotlib figures inside a page, drawn without a display."""

import io
from html import escape

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

STYLE = {"svg.fonttype": "none", "svg.hashsalt": "nocturne"}
"""Text stays text, and the same figure gives the same bytes."""
NOTHING = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def figure_svg(figure: Figure, says: str = "") -> Markup:
    """Return a figure as an inline SVG, for `matplotlib.figure.Figure(...)` without pyplot.

    What is black takes the text colour of the page, so that it can be read in the dark; the
    background is the page's. `says` is for those who cannot see it.
    """
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        if legend := axes.get_legend():
            legend.set_frame_on(False)
    drawn = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(drawn, format="svg", transparent=True, metadata=NOTHING)
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :].replace("#000000", "currentColor")
    # What is drawn comes from Matplotlib, which escapes the texts that it is given.
    return Markup(f'<svg role="img" aria-label="{escape(says)}"{svg.removeprefix("<svg")}')  # noqa: S704
