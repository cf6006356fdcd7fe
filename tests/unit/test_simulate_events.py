"""Simulated events: valid by the contract, and possible for people who listen to music."""

from collections import defaultdict
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from jobs.contract.events import EVENT, SESSION_GAP_SECONDS, Action, Source
from jobs.contract.fields import names
from jobs.simulate.history import make_history
from jobs.simulate.sessions import DAY_MS
from jobs.simulate.world import WorldArguments, make_world

ARGUMENTS = WorldArguments(days=60, until=date(2026, 11, 22), listeners=200, songs=600, seed=3)


@pytest.fixture(scope="module")
def world():
    return make_world(ARGUMENTS)


@pytest.fixture(scope="module")
def history(world) -> pa.Table:
    return make_history(world)


@pytest.fixture(scope="module")
def events(history) -> list[dict]:
    return history.to_pylist()


def test_columns_and_values_follow_the_contract(history, events):
    assert history.column_names == names(EVENT)
    for field in EVENT:
        if not field.nullable:
            assert history[field.name].null_count == 0, field.name
    assert {event["action"] for event in events} == set(Action)
    assert {event["source"] for event in events} == {Source.SIMULATION}
    assert len({event["event_id"] for event in events}) == len(events)
    assert all(0 <= event["duration"] <= event["total_duration"] for event in events)


def test_events_come_by_time_within_the_window(history):
    times = np.array(history["timestamp"])
    assert (np.diff(times) >= 0).all()
    assert times[0] >= ARGUMENTS.first_day * DAY_MS
    assert times[-1] < ARGUMENTS.last_day * DAY_MS


def test_a_play_is_a_skip_or_a_listen_that_may_be_completed(events):
    plays = defaultdict(list)
    for event in events:
        plays[event["play_id"]].append(event)
    kinds = {tuple(event["action"] for event in play) for play in plays.values()}
    assert kinds == {("skip",), ("listen",), ("listen", "complete")}
    for play in plays.values():
        assert len({(event["user_id"], event["track_id"]) for event in play}) == 1


def test_how_long_each_kind_was_heard(events):
    for event in events:
        threshold_ms = min(event["total_duration"] * 500, 240_000)
        if event["action"] == Action.LISTEN:
            assert event["listened_ms"] == threshold_ms
        elif event["action"] == Action.COMPLETE:
            assert event["duration"] == event["total_duration"]
        else:
            assert event["listened_ms"] < threshold_ms


def test_sessions_can_be_told_apart(events):
    last: dict[str, int] = {}
    gaps = []
    for event in events:
        if event["user_id"] in last:
            gaps.append((event["timestamp"] - last[event["user_id"]]) / 1000)
        last[event["user_id"]] = event["timestamp"]
    within = [gap for gap in gaps if gap < SESSION_GAP_SECONDS]
    assert max(within) < SESSION_GAP_SECONDS / 2
    assert 3 < len(within) / (len(gaps) - len(within)) < 40


def test_a_listener_hears_one_song_at_a_time(events):
    free_from: dict[str, int] = defaultdict(int)
    for event in events:
        if event["action"] == Action.LISTEN:
            started = event["timestamp"] - event["listened_ms"]
            assert started >= free_from[event["user_id"]]
        free_from[event["user_id"]] = event["timestamp"]


def test_no_song_is_heard_before_it_is_out(world, events):
    out = dict(zip(world.catalogue.track_ids, world.catalogue.release_day.tolist(), strict=True))
    assert all(event["timestamp"] // DAY_MS >= out[event["track_id"]] for event in events)
    fresh = {track for track, day in out.items() if day > ARGUMENTS.first_day}
    assert len(fresh & {event["track_id"] for event in events}) > len(fresh) / 2


def test_listeners_join_over_time_and_all_of_them_listen(world, events):
    first: dict[str, int] = {}
    for event in events:
        first.setdefault(event["user_id"], event["timestamp"] // DAY_MS)
    join_day = world.listeners.join_day.tolist()
    joined = dict(zip(world.listeners.user_ids, join_day, strict=True))
    assert all(day >= joined[user] for user, day in first.items())
    newcomers = [user for user, day in joined.items() if day > ARGUMENTS.first_day]
    assert 0.1 < len(newcomers) / ARGUMENTS.listeners < 0.3
    assert len(first) >= 0.98 * ARGUMENTS.listeners


def test_evenings_are_busier_than_nights(history):
    hours = np.array(history["timestamp"]) % DAY_MS // 3_600_000
    assert np.isin(hours, range(17, 22)).sum() > 2.5 * np.isin(hours, range(1, 6)).sum()


def test_songs_of_a_session_share_a_mood(world, history):
    """Neighbouring plays agree in genre more often than two plays of that listener do."""
    plays = history.filter(pa.compute.equal(history["action"], "listen"))
    track = [int(name.removeprefix("song-")) for name in plays["track_id"].to_pylist()]
    by_listener = defaultdict(list)
    for user, song in zip(plays["user_id"].to_pylist(), track, strict=True):
        by_listener[user].append(world.catalogue.genre[song])
    rng = np.random.default_rng(0)
    pairs = [np.array(genres) for genres in by_listener.values() if len(genres) > 20]
    beside = np.mean(np.concatenate([g[1:] == g[:-1] for g in pairs]))
    anywhere = np.mean(np.concatenate([g == rng.permutation(g) for g in pairs]))
    assert beside > anywhere + 0.15
