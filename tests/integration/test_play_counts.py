"""A micro-batch that is repeated after a crash counts once."""

from datetime import date, timedelta

import pytest

from jobs.contract.names import PLAY_COUNTS, SONGS
from jobs.stores.play_counts import KEPT_DAYS, PlayCounts

TODAY = date(2026, 11, 22)
OLD = TODAY - timedelta(days=KEPT_DAYS + 1)
LAST_WEEK = TODAY - timedelta(days=7)


@pytest.fixture
def own(stack, db):
    """A database of this file's own with one song; yields it and its play counts."""
    settings = stack.settings.model_copy(update={"mongo_db": "nocturne_counts"})
    db.client.drop_database(settings.mongo_db)
    found = db.client[settings.mongo_db]
    found[SONGS].insert_one({"_id": "a", "plays_7d": 0, "plays_cumulative": 0})
    counts = PlayCounts(settings)
    yield found, counts
    counts.close()
    db.client.drop_database(settings.mongo_db)


def song(db) -> tuple[int, int]:
    found = db[SONGS].find_one({"_id": "a"})
    return found["plays_7d"], found["plays_cumulative"]


def test_a_repeated_batch_counts_once(own):
    db, counts = own
    for _ in range(3):
        counts.add([("a", TODAY, 2), ("a", LAST_WEEK, 3)], "app", 0, TODAY)
    assert song(db) == (2, 5)  # the eighth day back is out of the week
    counts.add([("a", TODAY, 1)], "app", 1, TODAY)
    counts.add([("a", TODAY, 2), ("a", LAST_WEEK, 3)], "app", 0, TODAY)
    counts.refresh_songs(TODAY)
    assert song(db) == (3, 6)


def test_a_new_checkpoint_starts_over_at_batch_0(own):
    db, counts = own
    counts.add([("a", TODAY, 2)], "app", 7, TODAY)
    counts.add([("a", TODAY, 1)], "other", 0, TODAY)
    counts.refresh_songs(TODAY)
    assert song(db) == (3, 3)


def test_the_truth_of_the_lake_is_not_added_to_by_a_batch_that_is_in_it(own):
    db, counts = own
    counts.add([("gone", TODAY, 9)], "app", 3, TODAY)
    assert counts.set_all([("a", OLD, 10), ("a", TODAY, 2)], TODAY, "app", 4) == 1
    counts.add([("a", TODAY, 2)], "app", 4, TODAY)
    counts.refresh_songs(TODAY)
    assert song(db) == (2, 12)
    assert db[PLAY_COUNTS].count_documents({}) == 1


def test_the_week_moves_on_when_nobody_listens(own):
    db, counts = own
    counts.add([("a", TODAY, 2)], "app", 0, TODAY)
    assert counts.refresh_songs(TODAY) == 0
    counts.refresh_songs(TODAY + timedelta(days=7))
    assert song(db) == (0, 2)
