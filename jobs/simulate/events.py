"""Turn simulated plays into events of the contract."""

import numpy as np
import pyarrow as pa

from jobs.contract.events import EVENT, Action, Source
from jobs.contract.fields import Field
from jobs.simulate.catalogue import Ints
from jobs.simulate.sessions import Plays, listen_after_ms
from jobs.simulate.world import World

TYPES = {"string": pa.string(), "bigint": pa.int64(), "int": pa.int32()}
ACTIONS = [Action.SKIP.value, Action.LISTEN.value, Action.COMPLETE.value]
CAUSES = ["next", None, "ended"]  # of a skip, a listen, a complete
SKIP, LISTEN, COMPLETE = range(3)


def event_schema() -> pa.Schema:
    """Return the contract's EVENT for Arrow."""
    return pa.schema([_arrow_field(field) for field in EVENT])


def plays_to_events(world: World, plays: Plays, rng: np.random.Generator) -> pa.Table:
    """Return one row per event, by time, with the columns of EVENT.

    A song left early gives a `skip`; one heard to its half (or four minutes) a `listen` at that
    moment, and a `complete` at its end where it was heard through. All of one play share its
    play_id, which comes from `rng`, as the event ids do.
    """
    duration_s = world.catalogue.duration_s[plays.song]
    threshold_ms = listen_after_ms(duration_s)
    listened = plays.heard_ms >= threshold_ms
    completed = plays.heard_ms == duration_s * 1000
    kinds = ((SKIP, ~listened), (LISTEN, listened), (COMPLETE, completed))
    play = np.concatenate([np.nonzero(mask)[0] for _, mask in kinds])
    kind = np.concatenate([np.full(int(mask.sum()), code) for code, mask in kinds])
    heard_ms = np.where(kind == LISTEN, threshold_ms[play], plays.heard_ms[play])
    timestamp = plays.start_ms[play] + heard_ms
    order = np.lexsort((kind, play, timestamp))
    play, kind, heard_ms, timestamp = (a[order] for a in (play, kind, heard_ms, timestamp))
    return _table(
        world,
        plays.where(play),
        _play_ids(len(plays.song), rng).take(play),
        kind,
        heard_ms,
        timestamp,
    )


def _table(
    world: World, plays: Plays, play_ids: pa.Array, kind: Ints, heard_ms: Ints, timestamp: Ints
) -> pa.Table:
    rows = len(kind)
    actions = pa.array(ACTIONS).take(pa.array(kind))
    columns = {
        "event_id": pa.compute.binary_join_element_wise(play_ids, actions, "-"),
        "play_id": play_ids,
        "user_id": pa.array(world.listeners.user_ids).take(plays.who),
        "track_id": pa.array(world.catalogue.track_ids).take(plays.song),
        "timestamp": timestamp,
        "action": actions,
        "duration": heard_ms // 1000,
        "total_duration": world.catalogue.duration_s[plays.song],
        "source": pa.repeat(Source.SIMULATION.value, rows),
        "listened_ms": heard_ms,
        "position_ms": heard_ms,
        "cause": pa.array(CAUSES).take(pa.array(kind)),
    }
    schema = event_schema()
    arrays = [
        pa.array(columns[field.name]).cast(field.type)
        if field.name in columns
        else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _play_ids(count: int, rng: np.random.Generator) -> pa.Array:
    digits = rng.bytes(16 * count).hex()
    return pa.array([digits[32 * n : 32 * n + 32] for n in range(count)], pa.string())


def _arrow_field(field: Field) -> pa.Field:
    return pa.field(field.name, TYPES[field.type], field.nullable)
