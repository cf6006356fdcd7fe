"""The short versions of four faults; `make faults` has all of them at their full length."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.faults import crashes, stores, watching
from tests.faults.rig import Rig


@pytest.fixture(scope="module")
def rig(stack, published) -> Iterator[Rig]:
    with closing(Rig(stack)) as found:
        found.ensure_songs()
        yield found


def test_kills_of_the_driver_lose_and_double_nothing(rig):
    assert "0 lost, 0 doubled" in crashes.killed_again_and_again(rig, kills=2, events=2_000)


def test_kills_between_the_commits_leave_the_counts_right(rig):
    assert "counts of" in crashes.killed_between_commits(rig, events=300)


def test_the_stream_outlives_the_store_of_the_counts(rig):
    assert "0 lost, 0 doubled" in stores.store_away(rig, "mongo", seconds=20, events=1_000)


def test_a_driver_that_is_frozen_or_dead_is_noticed_told_and_healed(rig, webhook):
    rig.stack.end_alerts()
    webhook.told.clear()
    for fault, alert in ((watching.frozen, "stream_frozen"), (watching.dead, "stream_dead")):
        assert "noticed" in fault(rig)
        (news,) = webhook.of(alert)
        assert news["runbook"] == "infra/runbooks/stream_supervisor.md"


def test_the_lake_has_every_offset_once(rig):
    assert rig.verify_lake()
