"""A catalogue and listeners for the serving bench: a generation that is made, not trained."""

import io
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jobs.contract import names
from jobs.contract.generations import Manifest, Norms, State
from jobs.contract.settings import Settings
from jobs.stores.documents import Documents
from jobs.stores.events import ensure_topic
from jobs.stores.generation_lists import GenerationLists
from jobs.stores.generations import Generations
from jobs.stores.manifests import write_manifest
from jobs.stores.objects import Objects
from jobs.stores.vectors import Vectors

RANK, TASTES = 64, 200
PLAYS, NEIGHBOURS, NIGHTLY = 20, 50, 50
VECTORS = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32()))])
GENERATION = "g20260101T0200_0000be4c"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """Vectors of songs and listeners, whose ids are their numbers."""

    songs: Floats
    listeners: Floats

    def song(self, number: int) -> str:
        """Return the id of a song."""
        return f"song-{number:06}"

    def listener(self, number: int) -> str:
        """Return the id of a listener."""
        return f"listener-{number:06}"

    def artist(self, number: int) -> str:
        """Return the artist's id of a song: five songs each."""
        return f"artist-{number // 5:06}"


def draw(songs: int, listeners: int) -> World:
    """Draw songs round tastes, and listeners of two tastes each, as trained factors lie."""
    rng = np.random.default_rng(7)
    centers = rng.normal(size=(TASTES, RANK))
    of_song = centers[rng.integers(0, TASTES, songs)] + 0.6 * rng.normal(size=(songs, RANK))
    popular = (1.0 + rng.pareto(2.5, songs))[:, None] ** 0.3
    two = centers[rng.integers(0, TASTES, (listeners, 2))].mean(1)
    of_listener = two + 0.3 * rng.normal(size=(listeners, RANK))
    return World((0.1 * of_song * popular).astype("f4"), (0.1 * of_listener).astype("f4"))


def is_built(settings: Settings, world: World) -> bool:
    """Return whether an earlier run left this world to be used again."""
    with closing(Generations(settings, 60_000)) as generations:
        found = generations.find(GENERATION) or {}
        live = generations.live().generation == GENERATION
    sizes = (found.get("items"), found.get("users"))
    return live and sizes == (len(world.songs), len(world.listeners))


def build(settings: Settings, world: World) -> None:
    """Write the generation to every store that serves, and make it live."""
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"bench: {time.monotonic() - began:4.0f} s  {what}", flush=True)

    objects = Objects(settings)
    objects.ensure_bucket(settings.lake_bucket)
    ensure_topic(settings)
    _factors(settings, objects, world)
    with closing(Documents(settings)) as documents:
        say(f"{len(world.songs)} songs to MongoDB")
        documents.ensure_indexes()
        documents.upsert_songs(_songs(world))
        say(f"vectors of {len(world.listeners)} listeners to MongoDB")
        rows = ((world.listener(n), v.tolist()) for n, v in enumerate(world.listeners))
        documents.set_vectors(GENERATION, rows)
    with closing(GenerationLists(settings)) as lists:
        say("neighbours and plays to MongoDB")
        lists.set_neighbours(GENERATION, _neighbours(world))
        lists.set_lists(GENERATION, _lists(world))
    with closing(Vectors(settings)) as vectors:
        say("songs to Milvus")
        ids = ((world.song(n), v.tolist()) for n, v in enumerate(world.songs))
        vectors.build(GENERATION, RANK, ids)
    _publish(settings, world)
    say("live")


def _songs(world: World) -> Iterator[dict[str, object]]:
    for n in range(len(world.songs)):
        artist = world.artist(n)
        yield {
            "track_id": world.song(n),
            "title": f"Title {n}",
            "artist": f"The {artist}",
            "artist_id": artist,
            "duration_ms": 200_000,
            "genre": "pop",
        }


def _near(world: World, of: Floats, count: int) -> Iterator[list[int]]:
    """Yield for each row some songs of high inner product, from a sample of the songs."""
    rng = np.random.default_rng(3)
    sample = rng.choice(len(world.songs), min(4_000, len(world.songs)), replace=False)
    for start in range(0, len(of), 1000):
        scores = of[start : start + 1000] @ world.songs[sample].T
        best = np.argpartition(-scores, count, axis=1)[:, :count]
        yield from sample[best].tolist()


def _neighbours(world: World) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    for n, near in enumerate(_near(world, world.songs, NEIGHBOURS)):
        weights = [(world.song(m), 1.0 / place) for place, m in enumerate(near, 1) if m != n]
        yield world.song(n), weights


def _lists(world: World) -> Iterator[tuple[str, list[str], list[tuple[str, float]]]]:
    for n, near in enumerate(_near(world, world.listeners, PLAYS + NIGHTLY)):
        songs = [world.song(m) for m in near]
        yield world.listener(n), songs[PLAYS:], [(song, 1.0) for song in songs[:PLAYS]]


def _factors(settings: Settings, objects: Objects, world: World) -> None:
    rows = [{"id": world.song(n), "vector": v} for n, v in enumerate(world.songs.tolist())]
    body = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, VECTORS), body)
    key = f"{names.item_factors_path(GENERATION)}/part-0.parquet"
    objects.put(settings.lake_bucket, key, body.getvalue(), "application/parquet")


def _publish(settings: Settings, world: World) -> None:
    today = datetime.now(UTC)
    manifest = Manifest(
        generation=GENERATION,
        as_of=today.date(),
        window_start=today.date() - timedelta(days=90),
        lake_version=0,
        code_version="bench",
        params={"rank": RANK, "alpha": 14.0, "reg": 1.25, "weighting": "log"},
        plays=len(world.listeners) * PLAYS,
        pairs=len(world.listeners) * PLAYS,
        users=len(world.listeners),
        items=len(world.songs),
        norms=Norms(users=1.0, items=1.0),
        popular=[world.song(n) for n in range(200)],
        created_at=today,
    )
    write_manifest(settings, manifest)
    with closing(Generations(settings, 60_000)) as generations:
        generations.record_trained(manifest)
        generations.set_state(GENERATION, State.INDEXED)
        generations.switch(GENERATION, generations.live(), why="bench")
