"""Metrics for Prometheus: what listeners feel, by route and strategy, and how the stores are."""

import os
import time

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

SECONDS = Histogram(
    "nocturne_request_seconds",
    "How long answers took.",
    ["method", "route", "status"],
    buckets=BUCKETS,
)
RECOMMENDED = Counter(
    "nocturne_recommendations_total", "Recommendations by strategy.", ["route", "strategy"]
)
DEGRADED = Counter(
    "nocturne_degraded_total", "Recommendations that were made without a store.", ["store"]
)
KEPT = Counter(
    "nocturne_home_cache_total", "Home pages asked for, by whether one was ready.", ["ready"]
)
CLIENT_ERRORS = Counter(
    "nocturne_client_errors_total", "What went wrong in players, as they told.", ["kind"]
)
CIRCUIT = Gauge(
    "nocturne_circuits_open",
    "Workers that leave a store alone because it did not answer.",
    ["store"],
    multiprocess_mode="livesum",
)
SERVED = Gauge(
    "nocturne_generation_workers",
    "Workers that serve a generation.",
    ["generation"],
    multiprocess_mode="livesum",
)
GENERATION_SECONDS = Gauge(
    "nocturne_generation_age_seconds",
    "Since the live generation was published.",
    multiprocess_mode="livemax",
)


def init_metrics(app: Flask) -> None:
    """Measure every request."""
    app.after_request(_end)


def begin_store(store: str) -> None:
    """Let a store's metrics be 0 from the start: the first time it is away shows as a change."""
    CIRCUIT.labels(store).set(0)
    DEGRADED.labels(store)


def exposition() -> Response:
    """Return the metrics of all workers; of this process alone where no folder is shared."""
    registry = None
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    text = generate_latest(registry) if registry else generate_latest()
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def _end(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "-"
    took = time.perf_counter() - g.began
    SECONDS.labels(request.method, route, response.status_code).observe(took)
    return response
