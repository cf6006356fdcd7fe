"""How fresh each stage is: kept, missed, or not there yet; the worst of them is told."""

import pytest

from plugins.traffic_cards import promises

NOW = 1_000_000.0
FRESH, OLD = ("Stream", NOW - 60, 120), ("Training", NOW - 7200, 3600)
NEVER, FREE = ("Publication", None, 3600), ("Newest event", NOW - 9e5, None)


@pytest.mark.parametrize(
    ("stages", "state", "said"),
    [
        ([FRESH, FREE], "good", "Every promise is kept."),
        ([FRESH, NEVER], "warning", "Not yet done: publication."),
        ([NEVER, OLD, FRESH], "bad", "Promise missed: training."),
    ],
)
def test_the_worst_is_told(stages, state, said):
    card = promises(stages, NOW)
    assert (card.state, card.said) == (state, said)


def test_every_stage_has_its_row():
    assert promises([FRESH, OLD, NEVER, FREE], NOW).rows == [
        ["Stream", "60 s", "2 min", "kept"],
        ["Training", "2 h", "60 min", "missed"],
        ["Publication", "never", "60 min", "not yet"],
        ["Newest event", "10 days", "-", "-"],
    ]
