"""What the app's metrics say about the last minutes: differences between two readings."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from prometheus_client.parser import text_string_to_metric_families

WINDOW_SECONDS = 300.0
RECOMMEND = "/recommend"

Labels = tuple[tuple[str, str], ...]
Reading = dict[tuple[str, Labels], float]


@dataclass(frozen=True)
class Figures:
    """Of the last `seconds`; times in seconds, None where nothing was asked."""

    seconds: float
    requests: int
    p50: float | None
    p99: float | None
    error_share: float | None
    fallback_share: float | None
    client_errors: int
    generations: list[str]


class Window:
    """The readings of the last minutes. The oldest one is what the newest is compared with."""

    def __init__(self, seconds: float = WINDOW_SECONDS) -> None:
        self._length = seconds
        self._taking = threading.Lock()
        self._readings: deque[tuple[float, Reading]] = deque()

    def take(self, text: str, now: float) -> Figures:
        """Take a reading (in Prometheus' text format) and return what happened since the oldest."""
        reading = read(text)
        with self._taking:
            began, before = self._oldest(reading, now)
        change = {key: value - before.get(key, 0.0) for key, value in reading.items()}
        return figures(change, reading, now - began)

    def _oldest(self, reading: Reading, now: float) -> tuple[float, Reading]:
        """Keep a reading; return the oldest one that it is compared with, and when it was."""
        if self._readings and _restarted(self._readings[-1][1], reading):
            self._readings.clear()
        while len(self._readings) > 1 and self._readings[1][0] <= now - self._length:
            self._readings.popleft()
        oldest = self._readings[0] if self._readings else (now, {})
        self._readings.append((now, reading))
        return oldest


def read(text: str) -> Reading:
    """Return every sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figures(change: Reading, now: Reading, seconds: float) -> Figures:
    """Return the figures of what changed, and of what is now."""
    requests = _sum(change, "nocturne_request_seconds_count", lambda _: True)
    failed = _sum(
        change, "nocturne_request_seconds_count", lambda labels: labels["status"].startswith("5")
    )
    recommended = _sum(change, "nocturne_recommendations_total", lambda _: True)
    popular = _sum(
        change,
        "nocturne_recommendations_total",
        lambda labels: labels["strategy"].startswith(("popular", "catalogue")),
    )
    buckets = _buckets(change)
    return Figures(
        seconds=seconds,
        requests=int(requests),
        p50=quantile(buckets, 0.5),
        p99=quantile(buckets, 0.99),
        error_share=failed / requests if requests else None,
        fallback_share=popular / recommended if recommended else None,
        client_errors=int(_sum(change, "nocturne_client_errors_total", lambda _: True)),
        generations=sorted(
            dict(labels)["generation"]
            for (name, labels), value in now.items()
            if name == "nocturne_generation_workers" and value > 0
        ),
    )


def quantile(buckets: Iterable[tuple[float, float]], q: float) -> float | None:
    """Return the upper bound of the bucket that holds the quantile; None of nothing.

    `buckets` are (upper bound, how many are at most that), as in a Prometheus histogram. What
    lies above the last finite bound counts as that bound.
    """
    known = sorted(buckets)
    if not known or known[-1][1] <= 0:
        return None
    wanted = q * known[-1][1]
    finite = [bound for bound, _ in known if bound != inf]
    found = next(bound for bound, below in known if below >= wanted)
    return min(found, finite[-1]) if finite else None


def _buckets(change: Reading) -> list[tuple[float, float]]:
    found: dict[float, float] = {}
    for (name, labels), value in change.items():
        given = dict(labels)
        if name == "nocturne_request_seconds_bucket" and given["route"].startswith(RECOMMEND):
            bound = float(given["le"])
            found[bound] = found.get(bound, 0.0) + value
    return list(found.items())


def _sum(change: Reading, name: str, wanted: Callable[[dict[str, str]], bool]) -> float:
    return sum(v for (n, labels), v in change.items() if n == name and wanted(dict(labels)))


def _restarted(before: Reading, now: Reading) -> bool:
    """Return whether a counter fell: the app began anew."""
    return any(
        now.get(key, 0.0) < value for key, value in before.items() if key[0].endswith("_total")
    )
