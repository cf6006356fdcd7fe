"""`make bench`: how fast the running stack answers, beside a plain search in Milvus.

The peer is one search for a listener's vector, asked of Milvus directly: what a list from
that vector costs at least. Absolute times say much about the machine and little about
Nocturne, so every target is measured in the same run as the peer, in turns with it.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import urllib3

from infra.local import health, stack
from infra.local.config import HOST, Local, environment, load_local
from infra.local.install import ROOT
from jobs.contract import names
from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.contract.tokens import listener_token
from jobs.stores import catalogue, vectors
from jobs.stores.documents import database
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors

PEER = f"Milvus search, top {(TOP := 60)}"
LISTENERS = 20
CONNECTIONS = (1, 8)
ROUNDS = 3
ROUND_REQUESTS = 100
ROUND_SECONDS = 1.5
"""A round of one target ends here when its requests are not done: 45 s for a whole run."""
WARM_UP = 5
"""Requests of each connection that are not counted, before each round."""

Call = Callable[[int], object]
"""Does request number n; raises whatever is wrong with the answer."""


class BenchFailed(NocturneError):
    """There is nothing to measure, or an answer was not the one that is measured."""


@dataclass(frozen=True)
class Row:
    """One target at one number of connections; times in milliseconds."""

    target: str
    connections: int
    requests: int
    p50_ms: float
    p99_ms: float
    requests_per_s: float
    p50_to_peer: float
    """p50 divided by the peer's at the same number of connections."""


@dataclass
class Measured:
    """The seconds that each request took, and that all of them took together."""

    took: list[float]
    seconds: float = 0.0


@dataclass(frozen=True)
class Listener:
    """Who asks: a listener of the live generation, and the song that plays."""

    token: str
    vector: list[float]
    song: str


class App:
    """The app as one client sees it, over connections that stay open."""

    def __init__(self, port: int, generation: str, connections: int) -> None:
        self._pool = urllib3.HTTPConnectionPool(
            HOST, port, maxsize=connections, timeout=5, retries=False
        )
        self._generation = generation

    def ask(self, method: str, path: str, token: str = "", **options: Any) -> dict[str, Any]:
        """Return the JSON of an answer; raises BenchFailed unless it is a 200."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self._pool.request(method, path, headers=headers, **options)
        if answer.status != 200:
            raise BenchFailed(f"{method} {path} answered {answer.status}: {answer.data[:200]!r}")
        return dict(answer.json())

    def home(self, token: str) -> list[dict[str, Any]]:
        """Ask for a home page of 20 songs."""
        return self._songs("GET", "/recommend/home?limit=20", token)

    def following(self, token: str, song: str) -> list[dict[str, Any]]:
        """Ask for what fits behind a song."""
        return self._songs("POST", "/recommend/next", token, json={"current": song})

    def _songs(self, method: str, path: str, token: str, **options: Any) -> list[dict[str, Any]]:
        """Refuse answers that did not come from the vectors, which are cheaper to give."""
        page = self.ask(method, path, token, **options)
        if page["generation"] != self._generation:
            raise BenchFailed(f"{page['generation']} was published meanwhile; run it again")
        if page["degraded"] or page.get("fallback") or not page["songs"]:
            left = {k: v for k, v in page.items() if k != "songs"}
            raise BenchFailed(f"{path} answered {len(page['songs'])} songs by a fallback: {left}")
        return list(page["songs"])


def listeners(settings: Settings, generation: str, app: App) -> list[Listener]:
    """Return some listeners that the generation has a vector for."""
    field = f"vectors.{generation}"
    users = database(settings)[names.USERS]
    found = users.find({field: {"$exists": True}}, {field: 1}).limit(LISTENERS)
    some = []
    for user in found:
        token = listener_token(settings, user["_id"])
        song = app.home(token)[0]["track_id"]
        some.append(Listener(token, user["vectors"][generation], song))
    if not some:
        raise BenchFailed(f"no listener has a vector of {generation}: run `make demo` first")
    return some


def targets(
    app: App, milvus: Vectors, generation: str, some: Sequence[Listener]
) -> dict[str, Call]:
    """Return what is measured by name, the peer first; requests take the listeners in turn."""

    def of(n: int) -> Listener:
        return some[n % len(some)]

    return {
        PEER: lambda n: milvus.search(generation, [of(n).vector], TOP),
        "GET /livez": lambda _: app.ask("GET", "/livez"),
        "GET /songs/<id>": lambda n: app.ask("GET", f"/songs/{quote(of(n).song, safe='')}"),
        "GET /recommend/home?limit=20": lambda n: app.home(of(n).token),
        "POST /recommend/next": lambda n: app.following(of(n).token, of(n).song),
    }


def play_round(call: Call, connections: int, measured: Measured) -> None:
    """Add a round to what was measured: requests from so many threads at once, after a warm-up."""

    def repeat(numbers: "itertools.count[int]", most: int) -> list[float]:
        took = []
        while (n := next(numbers)) < most and time.monotonic() < deadline:
            began = time.perf_counter()
            call(n)
            took.append(time.perf_counter() - began)
        return took

    def together(most: int) -> list[float]:
        numbers = itertools.count()  # its next() is atomic, so threads share it
        done = [pool.submit(repeat, numbers, most) for _ in range(connections)]
        return [took for each in done for took in each.result()]

    deadline = time.monotonic() + ROUND_SECONDS
    with ThreadPoolExecutor(connections) as pool:
        together(WARM_UP * connections)
        began = time.perf_counter()
        measured.took += together(ROUND_REQUESTS)
        measured.seconds += time.perf_counter() - began


def rows(measured: dict[str, Measured], connections: int, peer: str = PEER) -> list[Row]:
    """Sum up what was measured at one number of connections; the peer is one of the targets."""
    empty = [name for name, m in measured.items() if not m.took]
    if empty:
        raise BenchFailed(f"{', '.join(empty)}: no request was answered in {ROUND_SECONDS} s")
    found = {name: np.percentile(m.took, [50, 99]) * 1000 for name, m in measured.items()}
    return [
        Row(
            target=name,
            connections=connections,
            requests=len(m.took),
            p50_ms=round(float(found[name][0]), 2),
            p99_ms=round(float(found[name][1]), 2),
            requests_per_s=round(len(m.took) / m.seconds, 1),
            p50_to_peer=round(float(found[name][0] / found[peer][0]), 2),
        )
        for name, m in measured.items()
    ]


def table(found: Sequence[Row]) -> str:
    """Return the rows as a Markdown table whose columns also line up as plain text."""
    head = ("target", "connections", "requests", "p50 ms", "p99 ms", "requests/s", "p50 / peer")
    cells = [head, *(tuple(str(v) for v in asdict(row).values()) for row in found)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]

    def line(row: Sequence[str]) -> str:
        rest = (c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))
        return f"| {' | '.join([row[0].ljust(widths[0]), *rest])} |"

    return "\n".join([line(head), line(rule), *map(line, cells[1:])]) + "\n"
