"""What a worker keeps in memory, and how choices are read."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from serving.held import Held
from serving.store_sources import copy_of, profile_of, read_choices

NOW = datetime.now(UTC)


def choice(about, value="ban", scope="song", until=None):
    return {"scope": scope, "id": about, "value": value, "until": until, "at": NOW}


def test_choices_hold_until_they_end_and_the_newest_counts():
    profile = profile_of(
        [1.0],
        [
            choice("s1"),
            choice("s2", until=NOW - timedelta(seconds=1)),
            choice("s3", until=NOW + timedelta(days=1)),
            choice("s1", "love"),
            choice("a1", scope="artist"),
            choice("s4", "love"),
            choice("s5", "less"),
        ],
    )
    assert profile.vector == [1.0]
    assert profile.bans.songs == {"s3"}
    assert profile.bans.artists == {"a1"}
    assert profile.loved == {"s1", "s4"}
    assert profile.less == {"s5"}


def test_a_copy_of_choices_is_read_as_it_was_written():
    choices = [choice("s1"), choice("s2", until=NOW + timedelta(days=1))]
    assert read_choices(copy_of(choices)) == choices


def test_what_is_held_is_read_once_while_it_is_fresh():
    asked = []

    def missing(keys):
        asked.append(sorted(keys))
        return {key: key.upper() for key in keys if key != "gone"}

    held = Held(100, 60.0)
    assert held.read(["a", "b", "gone", "a"], missing) == {"a": "A", "b": "B"}
    assert held.read(["a", "c"], missing) == {"a": "A", "c": "C"}
    assert asked == [["a", "b", "gone"], ["c"]]


def test_what_is_old_is_read_again_and_kept_while_it_cannot_be():
    held = Held(100, -1.0)
    held.read(["a"], lambda keys: {"a": 1})
    assert held.read(["a"], lambda keys: {"a": 2}) == {"a": 2}
    with pytest.raises(ConnectionError):
        held.read(["a"], lambda keys: (_ for _ in ()).throw(ConnectionError()))
    assert held.held(["a", "b"]) == {"a": 2}


def test_no_more_entries_than_it_may_have_from_many_threads():
    held = Held(50, 60.0)

    def use(start):
        for n in range(start, start + 200):
            assert held.read([n], lambda keys: {k: k for k in keys}) == {n: n}

    threads = [threading.Thread(target=use, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held.held(range(1000))) <= 50
