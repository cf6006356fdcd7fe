"""Plays become weights that grow as their name says, are never 0, and are 1 on average."""

from math import log

import pytest

from jobs.training.weights import weighted


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        ("log", [log(2), log(4), log(11)]),
        ("linear", [1, 3, 10]),
        ("clipped", [1, 3, 3]),
        ("binary", [1, 1, 1]),
    ],
)
def test_weights(spark, weighting, expected):
    rows = [("u", "a", 1), ("u", "b", 3), ("u", "c", 10)]
    pairs = spark.createDataFrame(rows, "user_id string, track_id string, plays long")
    found = weighted(pairs, weighting).orderBy("track_id")
    assert found.columns == ["user_id", "track_id", "weight"]
    mean = sum(expected) / len(expected)
    assert [row.weight for row in found.collect()] == pytest.approx([e / mean for e in expected])
