"""The listening history of a simulated world."""

from collections.abc import Callable

import pyarrow as pa

from jobs.simulate.events import plays_to_events
from jobs.simulate.sessions import DAY_MS, Plays, history_sessions, join_plays, play_sessions
from jobs.simulate.world import World


def make_history(world: World, progress: Callable[[int], None] = lambda _: None) -> pa.Table:
    """Return every event of the history, by time; `progress` is told after each listener."""
    parts = []
    for who in range(len(world.listeners.usernames)):
        parts.append(_listener_plays(world, who))
        progress(who + 1)
    events = plays_to_events(world, join_plays(parts), world.rng("play ids"))
    return events.filter(pa.compute.less(events["timestamp"], world.arguments.last_day * DAY_MS))


def _listener_plays(world: World, who: int) -> Plays:
    rng = world.rng("history", who)
    return play_sessions(world, who, history_sessions(world, who, rng), rng)
