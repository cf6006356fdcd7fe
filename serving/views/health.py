"""GET /livez: the process runs. GET /readyz: it can serve songs, and what is away. GET /metrics."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from serving import metrics
from serving.recommend.listener import Snapshot
from serving.recommend.sources import Away
from serving.services import services

STREAM = (
    *("phase", "at", "starts", "batch", "rows", "rows_per_second", "batch_seconds"),
    *("lag", "last_event_at", "quarantined", "holds"),
)
"""Fields of `stream_health` that are shown; times are epoch seconds."""

bp = Blueprint("health", __name__)


@bp.get("/livez")
def livez() -> Response:
    """Answer without asking any store."""
    return jsonify(status="ok")


@bp.get("/metrics")
def exposed() -> Response:
    """Return metrics for Prometheus, to whoever has a key with the scope `metrics`."""
    services().doors.require("metrics")
    snapshot = _snapshot()
    if snapshot is not None and snapshot.published_at is not None:
        age = datetime.now(UTC) - snapshot.published_at
        metrics.GENERATION_SECONDS.set(age.total_seconds())
    return metrics.exposition()


@bp.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Return 200 while songs can be served, from a store or from memory; 503 else."""
    stores = services().stores
    snapshot = _snapshot()
    generation = snapshot.generation if snapshot else None
    checks = {
        "mongodb": _check(lambda: stores.mongo.call(lambda mongo: mongo.catalogue.ping())),
        "milvus": _check(lambda: stores.vectors.call(lambda v: v.ping(generation))),
        "redis": _check(lambda: stores.cache.call(lambda cache: cache.ping())),
        "kafka": _check(lambda: stores.events.call(lambda log: log.ping())),
    }
    ready = snapshot is not None and (bool(snapshot.popular) or checks["mongodb"] == "ok")
    published = snapshot.published_at if snapshot else None
    response = jsonify(
        status="ready" if ready else "unready",
        generation=generation,
        published_at=published.isoformat() if published else None,
        checks=checks,
        degraded=[name for name, state in checks.items() if state != "ok"],
        **_ingestion(),
    )
    response.headers["Cache-Control"] = "no-store"
    return response, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE


def _ingestion() -> dict[str, Any]:
    """Return how the stream is and which alerts are open; serving does not depend on either."""
    try:
        health, alerts = services().stores.mongo.call(lambda m: (m.stream.read(), m.alerts.open()))
    except Away:
        return {"stream": None, "alerts": None}
    stream = {name: health.get(name) for name in STREAM} if health else None
    return {"stream": stream, "alerts": [{"name": a["_id"], "said": a["said"]} for a in alerts]}


def _snapshot() -> Snapshot | None:
    try:
        return services().models.current()
    except Away:
        return None


def _check(ping: Callable[[], None]) -> str:
    try:
        ping()
    except Away:
        return "away"
    return "ok"
