"""Timing of requests from several connections, and the table of ratios to a peer."""

import itertools
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from jobs.contract.errors import NocturneError

WARM_UP = 5  # requests per connection before each round, not counted
ROUND_REQUESTS = 150
ROUND_SECONDS = 2.0  # a round ends then, done or not
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


def rows(measured: Mapping[str, Samples], connections: int, peer: str) -> list[Row]:
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


def at_rate(
    rate: float, threads: int, call: Call, stop: threading.Event, seconds: float = math.inf
) -> tuple[int, float]:
    """Send requests at a steady rate until stopped; return how many and in how many seconds.

    A request that takes long delays no other while a thread is free.
    """
    began, number = time.monotonic(), 0
    with ThreadPoolExecutor(threads) as pool:
        while not stop.is_set() and time.monotonic() - began < seconds:
            pool.submit(call, number)
            number += 1
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
    return number, time.monotonic() - began
