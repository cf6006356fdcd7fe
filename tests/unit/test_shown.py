"""What people read beside a song."""

import pytest

from serving.recommend.ranking import Pick
from serving.recommend.reasons import Reason
from serving.views.shown import listed

NAMES = {t: {"track_id": t, "title": t.upper()} for t in "abc"}


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Reason("plays", [("b", 0.5), ("c", 0.2)]), "Because you played B and C"),
        (Reason("plays", [("a", 0.5), ("b", 0.2), ("c", 0.1)]), "Because you played B and C"),
        (Reason("plays", [("a", 1.0)]), "Close to what you listen to"),
        (Reason("plays", [("unknown", 1.0)]), "Close to what you listen to"),
        (Reason("session", [("c", 1.0)]), "Goes with C"),
        (None, "Close to what you listen to"),
    ],
)
def test_a_reason_names_other_songs(reason, text):
    (song,) = listed([Pick(NAMES["a"], 1.0, reason)], NAMES)
    assert song["reason"]["text"] == text
    assert [s["track_id"] for s in song["reason"]["songs"]] == [
        t for t, _ in (reason.songs if reason else ())
    ]
