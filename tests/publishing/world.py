"""Small generations whose songs tell which generation they are of, and who asks for them."""

import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import requests
from numpy.typing import NDArray

from infra.local.install import ROOT
from jobs.contract import names
from jobs.contract.generations import State
from jobs.stores.documents import Documents
from jobs.stores.generations import Generations
from jobs.stores.manifests import write_manifest
from jobs.stores.objects import Objects
from jobs.stores.vectors import Vectors
from tests.integration.stack import Stack
from tests.manifests import FITTED, manifest

LISTENERS, SONGS, RANK = 20, 40, 8
VECTORS = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32()))])

Factors = dict[str, NDArray[np.float64]]


class Failed(AssertionError):
    """A fault had an effect that it must not have."""


def generation(number: int) -> str:
    """Return the id of the n-th generation."""
    return f"g20240501T0200_{number:08x}"


def listener(number: int) -> str:
    """Return the n-th listener, who is in every generation."""
    return f"listener-{number:02}"


def song(number: int, place: int) -> str:
    """Return a song of the n-th generation; no other one has it."""
    return f"{generation(number)}-song-{place:02}"


def factors(number: int) -> tuple[Factors, Factors]:
    """Return the vectors of the n-th generation's listeners and songs."""
    draw = np.random.default_rng(number)
    users = {listener(n): draw.normal(size=RANK) for n in range(LISTENERS)}
    return users, {song(number, place): draw.normal(size=RANK) for place in range(SONGS)}


class World:
    """A running stack and its generations."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.settings = stack.settings
        self.generations = Generations(self.settings, 30_000)
        self.documents = Documents(self.settings)
        self.vectors = Vectors(self.settings)
        self.objects = Objects(self.settings)
        self.supervisor: Any = xmlrpc.client.ServerProxy(self.settings.supervisor_url).supervisor
        self._made = 0

    def close(self) -> None:
        """End the connections."""
        for store in (self.generations, self.documents, self.vectors):
            store.close()

    def make(self, count: int, index: bool = True) -> list[str]:
        """Make new generations that have passed the gate, and index them."""
        numbers = range(self._made, self._made + count)
        self._made += count
        for number in numbers:
            self._train(number)
        made = [generation(number) for number in numbers]
        if index:
            self.run("build_index", *made)
        return made

    def _train(self, number: int) -> None:
        name, (users, items) = generation(number), factors(number)
        songs = list(items)
        for path, vectors in (
            (names.user_factors_path(name), users),
            (names.item_factors_path(name), items),
        ):
            rows = [{"id": i, "vector": vector.tolist()} for i, vector in vectors.items()]
            body = BytesIO()
            pq.write_table(pa.Table.from_pylist(rows, VECTORS), body)
            key = f"{path}/part-0.parquet"
            self.objects.put(self.settings.lake_bucket, key, body.getvalue(), "application/parquet")
        titles = ({"track_id": s, "title": s, "artist": s, "artist_id": s} for s in songs)
        self.documents.upsert_songs(titles)
        made = manifest(
            name,
            params={"rank": RANK, "window_days": 90} | FITTED,
            users=LISTENERS,
            items=SONGS,
            popular=songs[:20],
            created_at=datetime.now(UTC),
        )
        write_manifest(self.settings, made)
        self.generations.record_trained(made)
        self.generations.set_state(name, State.GATED)

    def run(self, job: str, *arguments: str) -> str:
        """Run a job that must end well; return what it said."""
        ended = self.stack.run(["python", f"jobs/{job}.py", *arguments])
        said = ended.stdout + ended.stderr
        if ended.returncode:
            raise Failed(f"{job} ended with {ended.returncode}: {said[-1000:]}")
        return said

    def crash(self, step: str, *arguments: str) -> None:
        """Run a publication or an index that dies at `step` (see crashing.py)."""
        ended = self.start(step, *arguments)
        said, _ = ended.communicate(timeout=300)
        if ended.returncode != -signal.SIGKILL:
            raise Failed(f"it did not die at {step!r}: {said[-500:]}")

    def start(self, step: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start a publication or an index with a trap at `step`."""
        command = [sys.executable, "-m", "tests.publishing.crashing", step, *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=ROOT, env=self.stack.env, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )

    def live(self) -> str | None:
        """Return what the pointer says."""
        return self.generations.live().generation

    def state(self, generation: str) -> State:
        """Return what state a generation has."""
        return State((self.generations.find(generation) or {})["state"])

    def served(self) -> str:
        """Return the generation that the app answers with; raises Failed on a bad answer."""
        answer = requests.get(
            f"{self.stack.app_url}/recommend/home",
            headers=self.stack.headers(listener(0)),
            timeout=30,
        )
        if answer.status_code != 200 or not answer.json()["songs"]:
            raise Failed(f"the app answered {answer.status_code}: {answer.text[:300]}")
        found = str(answer.json()["generation"])
        mixed = {s["track_id"] for s in answer.json()["songs"] if found not in s["track_id"]}
        if mixed:
            raise Failed(f"an answer of {found} held {mixed}")
        return found

    def wait_served(self, wanted: str, seconds: float = 60) -> float:
        """Wait until the app answers with a generation and all its stores; return how long."""
        began = time.monotonic()
        while self.served() != wanted:
            if time.monotonic() - began > seconds:
                raise Failed(f"the app did not come to {wanted} within {seconds:.0f} s")
            time.sleep(0.2)
        return time.monotonic() - began

    def whole(self, wanted: str) -> str:
        """Raise Failed unless pointer, states, alias and stores all say that `wanted` is live."""
        states = {d["_id"]: d["state"] for d in self.generations.all() if not d.get("gone")}
        alive = [name for name, state in states.items() if state == State.LIVE]
        alias = self.vectors._client.describe_alias(names.MILVUS_ALIAS)["collection_name"]
        vectors = self.documents.count_vectors(wanted)
        found = (self.live(), alive, alias, vectors)
        expected = (wanted, [wanted], names.collection_name(wanted), LISTENERS)
        if found != expected:
            raise Failed(f"{found} where {expected} was right")
        servable = self.generations.servable()
        built = {g for g in self.vectors.generations() if states.get(g) != State.INDEXED}
        if not {*servable} <= {*built} or len(servable) > self.settings.keep_generations:
            raise Failed(f"servable are {servable}, built {built}")
        return f"{len(servable)} kept"

    @contextmanager
    def away(self, program: str) -> Iterator[None]:
        """Stop a program of the stack for a while."""
        self.supervisor.stopProcess(program)
        try:
            yield
        finally:
            self.supervisor.startProcess(program)

    def wait_healthy(self, seconds: float = 180) -> None:
        """Wait until the app's stores all answer again."""
        began = time.monotonic()
        while True:
            ready = requests.get(f"{self.stack.app_url}/readyz", timeout=30)
            if ready.status_code == 200 and not ready.json()["degraded"]:
                return
            if time.monotonic() - began > seconds:
                raise Failed(f"not healthy within {seconds:.0f} s: {ready.text[:300]}")
            time.sleep(1)
