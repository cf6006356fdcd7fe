"""The circuit round a store: no waiting while it is away, and back by itself."""

import threading
import time

import pytest

from serving import parts
from serving.parts import Part
from serving.recommend.sources import Away


class Store:
    def __init__(self):
        self.up = True
        self.calls = 0

    def close(self):
        self.calls = 0

    def ask(self):
        self.calls += 1
        if not self.up:
            raise ConnectionError("refused")
        return "here"


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def part(store, monkeypatch):
    monkeypatch.setattr(parts, "COOL_SECONDS", 0.2)
    return Part("store", (ConnectionError,), lambda: store)


def test_is_left_alone_while_away_and_comes_back(part, store):
    assert part.call(Store.ask) == "here"
    store.up = False
    for _ in range(10):
        with pytest.raises(Away, match="store does not answer"):
            part.call(Store.ask)
    assert store.calls == 3  # one that went well, then two failures open the circuit
    store.up = True
    time.sleep(0.25)
    assert [part.call(Store.ask) for _ in range(3)] == ["here"] * 3


def test_one_call_at_a_time_tries_again(part, store):
    store.up = False
    for _ in range(2):
        with pytest.raises(Away):
            part.call(Store.ask)
    time.sleep(0.25)
    started, go = threading.Event(), threading.Event()

    def slow(_):
        started.set()
        go.wait(5)
        return "late"

    results = []
    probe = threading.Thread(target=lambda: results.append(part.call(slow)))
    probe.start()
    started.wait(5)
    store.up = True  # and still nobody else tries while the first has no answer
    with pytest.raises(Away):
        part.call(Store.ask)
    go.set()
    probe.join()
    assert results == ["late"]


def test_other_errors_are_no_sign_of_being_away(part):
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            part.call(lambda _: 1 // 0)
    assert part.call(Store.ask) == "here"


def test_connects_once_and_only_when_needed(store):
    made = []

    def connect():
        made.append(1)
        time.sleep(0.05)
        return store

    part = Part("store", (ConnectionError,), connect)
    assert made == []
    threads = [threading.Thread(target=part.call, args=(Store.ask,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made, store.calls) == ([1], 8)


def test_a_connection_that_hangs_is_made_anew():
    """The store is well, but what was connected to it is not."""
    made = []

    class Connection(Store):
        def __init__(self):
            super().__init__()
            made.append(self)
            self.up = len(made) > 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "COOL_SECONDS", 0.1)
        part = Part("store", (ConnectionError,), Connection)
        for _ in range(2):
            with pytest.raises(Away):
                part.call(Store.ask)
        time.sleep(0.15)
        assert part.call(Store.ask) == "here"  # the trial, over a new connection
    assert len(made) == 2
