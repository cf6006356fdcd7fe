"""`make bench`: how fast the running stack answers, beside a plain search in Milvus.

The peer is one search for a listener's vector, asked of Milvus directly. Every target takes
turns with it: times say more of the machine than of Nocturne, their ratios don't.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np
import urllib3

from infra.local import stack
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

TOP = 60
PEER = f"Milvus search, top {TOP}"
REPORTS = ROOT / "reports"
LISTENERS = 20
CONNECTIONS = (1, 8)
WARM_UP = 5  # requests per connection before each round, not counted
ROUNDS = 3
ROUND_REQUESTS = 100
ROUND_SECONDS = 1.5  # a round ends then, done or not: 45 s for a whole run
Call = Callable[[int], object]  # sends request number n


class BenchFailed(NocturneError):
    """There is nothing to measure, or an answer is not the one to measure."""


@dataclass(frozen=True)
class Row:
    """One target at one number of connections."""

    target: str
    connections: int
    requests: int
    p50_ms: float
    p99_ms: float
    requests_per_s: float
    p50_to_peer: float


@dataclass
class Samples:
    """The seconds that each request took, and that all of them took together."""

    took: list[float] = field(default_factory=list)
    seconds: float = 0.0


def client(port: int, generation: str) -> Callable[..., Any]:
    """Return what asks the app, over connections that stay open, for the JSON of its answer.

    It refuses the answers of a fallback, which are cheaper to give.
    """
    pool = urllib3.HTTPConnectionPool(HOST, port, maxsize=CONNECTIONS[-1], timeout=5, retries=False)

    def ask(method: str, path: str, token: str = "", **options: Any) -> Any:
        signed = {"Authorization": f"Bearer {token}"}  # what is open to all does not look at it
        answer = pool.request(method, path, headers=signed, **options)
        said = answer.json() if answer.status == 200 else {"fallback": answer.status}
        fallback = "fallback" in said or said.get("degraded") or said.get("songs") == []
        if fallback or said.get("generation", generation) != generation:
            raise BenchFailed(f"{path} was not answered from {generation}: {answer.data[:200]!r}")
        return said

    return ask


def targets(settings: Settings, milvus: Vectors, generation: str, port: int) -> dict[str, Call]:
    """Return what is measured, by name; requests take some listeners of the generation in turn."""
    ask = client(port, generation)
    of_generation = {f"vectors.{generation}": {"$exists": True}}
    users = database(settings)[names.USERS].find(of_generation).limit(LISTENERS)
    known = {listener_token(settings, u["_id"]): u["vectors"][generation] for u in users}
    if not known:
        raise BenchFailed(f"no listener has a vector of {generation}: run `make demo` first")
    home, after, count = "/recommend/home?limit=20", "/recommend/next", len(known)
    tokens, tastes = list(known), list(known.values())
    songs = [str(ask("GET", home, token)["songs"][0]["track_id"]) for token in tokens]

    playing = [{"current": song} for song in songs]
    return {
        PEER: lambda n: milvus.search(generation, [tastes[n % count]], TOP),
        "GET /livez": lambda _: ask("GET", "/livez"),
        "GET /songs/<id>": lambda n: ask("GET", f"/songs/{quote(songs[n % count], safe='')}"),
        f"GET {home}": lambda n: ask("GET", home, tokens[n % count]),
        f"POST {after}": lambda n: ask("POST", after, tokens[n % count], json=playing[n % count]),
    }


def one_round(call: Call, connections: int, into: Samples) -> None:
    """Measure a target from as many threads as connections, after a warm-up."""
    deadline = time.monotonic() + ROUND_SECONDS

    def repeat(taken: "itertools.count[int]", requests: int) -> list[float]:
        took = []
        while (n := next(taken)) < requests and time.monotonic() < deadline:
            began = time.perf_counter()
            call(n)
            took.append(time.perf_counter() - began)
        return took

    def together(requests: int) -> list[float]:
        taken = itertools.count()  # its next() is atomic: threads share it
        done = [pool.submit(repeat, taken, requests) for _ in range(connections)]
        return [seconds for each in done for seconds in each.result()]

    with ThreadPoolExecutor(connections) as pool:
        together(WARM_UP * connections)
        began = time.perf_counter()
        into.took += together(ROUND_REQUESTS)
        into.seconds += time.perf_counter() - began


def rows(measured: Mapping[str, Samples], connections: int, peer: str = PEER) -> list[Row]:
    """Sum up what was measured; raises BenchFailed for a target that never answered."""
    found = []
    for name, samples in measured.items():
        if not samples.took:
            raise BenchFailed(f"{name} answered nothing in {ROUND_SECONDS} s")
        p50, p99 = np.percentile(samples.took, [50, 99])
        rate, ratio = len(samples.took) / samples.seconds, p50 / np.median(measured[peer].took)
        times = [round(float(x), 2) for x in (1000 * p50, 1000 * p99, rate, ratio)]
        found.append(Row(name, connections, len(samples.took), *times))
    return found


def table(found: Sequence[Row]) -> str:
    """Return a Markdown table whose columns line up as plain text, too."""
    lines = [
        f"| {'target':28} | connections | requests |  p50 ms |  p99 ms | requests/s | p50 / peer |",
        f"|{'-' * 30}|------------:|---------:|--------:|--------:|-----------:|-----------:|",
    ]
    lines += [
        f"| {r.target:28} | {r.connections:11} | {r.requests:8} | {r.p50_ms:7.2f} "
        f"| {r.p99_ms:7.2f} | {r.requests_per_s:10.0f} | {r.p50_to_peer:10.2f} |"
        for r in found
    ]
    return "\n".join(lines) + "\n"


def run(local: Local, settings: Settings) -> None:
    """Measure, print the table and write the reports."""
    generation = Generations(settings).live().generation
    if generation is None:
        raise BenchFailed("no generation is published: run `make demo` first")
    milvus = Vectors(settings, timeout_s=5)
    about = f"{generation}: {milvus.count(generation)} vectors; {os.cpu_count()} cores"
    print(f"bench: {about}; takes up to a minute", flush=True)
    calls = targets(settings, milvus, generation, local.app_port)
    found: list[Row] = []
    for connections in CONNECTIONS:
        measured = {name: Samples() for name in calls}
        for name in [*calls] * ROUNDS:
            one_round(calls[name], connections, measured[name])
        found += rows(measured, connections)
    print(table(found), end="")
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "serving.md").write_text(f"{about}\n\n{table(found)}")
    report = {"about": about, "peer": PEER, "rows": [asdict(row) for row in found]}
    (REPORTS / "serving.json").write_text(json.dumps(report, indent=1) + "\n")


def main() -> int:
    """Run the bench; 1 with a sentence on stderr where nothing can be measured."""
    try:
        local = stack.remembered(load_local())
        if stack.supervisor(local) is None:
            raise BenchFailed("the local stack is not running: run `make demo` first")
        os.environ.update(environment(local))
        run(local, load_settings())
    except (NocturneError, urllib3.exceptions.HTTPError, *catalogue.AWAY, *vectors.AWAY) as error:
        print(f"bench: ERROR: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
