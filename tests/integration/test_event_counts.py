"""Events per hour: counted once, however often a micro-batch is repeated."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.contract.errors import LeaseLost
from jobs.stores.event_counts import MOST_KINDS, EventCounts
from jobs.stores.once import replace_once

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
HOUR = int(NOW.timestamp()) // 3600


@pytest.fixture
def counts(stack, db):
    """Counts in a database of this file's own."""
    settings = stack.settings.model_copy(update={"mongo_db": "nocturne_event_counts"})
    db.client.drop_database(settings.mongo_db)
    counts = EventCounts(settings)
    yield counts
    counts.close()
    db.client.drop_database(settings.mongo_db)


def kinds(counts: EventCounts) -> dict:
    return {
        (d["_id"] - HOUR, c["action"], c["origin"], c["generation"]): c["events"]
        for d in counts.since(NOW - timedelta(days=30))
        for c in d["counts"]
    }


def test_a_repeated_batch_counts_once(counts):
    rows = [(HOUR, "listen", "smart", "g1", 2), (HOUR - 1, "skip", "other", None, 1)]
    for _ in range(3):
        counts.add(rows, "app", 0, NOW)
    assert kinds(counts) == {(0, "listen", "smart", "g1"): 2, (-1, "skip", "other", None): 1}
    counts.add([(HOUR, "listen", "smart", "g1", 1)], "app", 1, NOW)
    counts.add(rows, "app", 0, NOW)
    counts.add([(HOUR, "listen", "smart", "g2", 1)], "another checkpoint", 0, NOW)
    assert kinds(counts) == {
        (0, "listen", "smart", "g1"): 3,
        (0, "listen", "smart", "g2"): 1,
        (-1, "skip", "other", None): 1,
    }


def test_old_hours_are_forgotten_and_not_counted(counts):
    counts.add([(HOUR, "listen", "smart", None, 1)], "app", 0, NOW)
    later = NOW + timedelta(days=15, hours=1)
    counts.add(
        [(HOUR, "listen", "smart", None, 1), (HOUR + 361, "skip", "smart", None, 1)],
        "app",
        1,
        later,
    )
    assert kinds(counts) == {(361, "skip", "smart", None): 1}


def test_words_of_senders_do_not_grow_a_document_for_ever(counts):
    rows = [(HOUR, "listen", "smart", f"g{n}", 1) for n in range(MOST_KINDS + 50)]
    counts.add(rows, "app", 0, NOW)
    found = kinds(counts)
    assert len(found) == MOST_KINDS + 1
    assert found[0, "listen", "other", None] == 50


def test_another_writer_is_noticed(counts):
    counts.add([(HOUR, "listen", "smart", None, 1)], "app", 3, NOW)
    document = {"_id": HOUR, "counts": []}
    read_before = {HOUR: document | {"app_id": "app", "batch": 2}}
    with pytest.raises(LeaseLost, match="event_counts"):
        replace_once(counts._counts, read_before, {HOUR: document}, "app", 4)
    assert kinds(counts) == {(0, "listen", "smart", None): 1}
