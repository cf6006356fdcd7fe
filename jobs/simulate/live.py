"""Live events of a simulated world: who is listening, and in which order things happen."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from jobs.simulate.events import plays_to_events
from jobs.simulate.sessions import HOUR_MS, join_plays, play_sessions, sessions_at
from jobs.simulate.world import World

LISTENERS_AT_ONCE = 200

Event = dict[str, Any]


def live_events(world: World, now_ms: int, to: str = "") -> Iterator[Event]:
    """Yield events without end, as the contract's fields without nulls and `timestamp`.

    They come in the order in which they would happen if hour after hour many listeners held
    a session each, with the tastes they have at the end of the history. When each is sent,
    and so its timestamp, is up to the caller: the order stays true at any rate. Another
    `now_ms`, or another receiver `to`, gives other events with other ids.
    """
    rng = world.rng("live", now_ms, to)
    while True:
        for row in _busy_hour(world, now_ms, rng).to_pylist():
            del row["timestamp"]
            yield {name: value for name, value in row.items() if value is not None}


def _busy_hour(world: World, now_ms: int, rng: np.random.Generator) -> Any:
    activity = world.listeners.sessions_per_day
    size = min(LISTENERS_AT_ONCE, len(activity))
    listening = rng.choice(len(activity), size=size, replace=False, p=activity / activity.sum())
    plays = []
    for who in listening.tolist():
        start = now_ms + rng.integers(0, HOUR_MS, size=1)
        sessions = sessions_at(world, who, start, np.ones(1), rng)
        plays.append(play_sessions(world, who, sessions, rng))
    return plays_to_events(world, join_plays(plays), rng)
