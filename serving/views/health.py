"""GET /livez: the process runs. GET /readyz: it can serve songs, and what is away."""

from collections.abc import Callable
from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from serving.recommend.sources import Away
from serving.services import services

bp = Blueprint("health", __name__)


@bp.get("/livez")
def livez() -> Response:
    """Answer without asking any store."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Return 200 while songs can be served, from a store or from memory; 503 else."""
    stores = services().stores
    checks = {
        "mongodb": _check(lambda: stores.mongo.call(lambda mongo: mongo.catalogue.ping())),
        "milvus": _check(lambda: stores.vectors.call(lambda vectors: vectors.ping())),
        "redis": _check(lambda: stores.cache.call(lambda cache: cache.ping())),
        "kafka": _check(lambda: stores.events.call(lambda log: log.ping())),
    }
    try:
        snapshot = services().models.current()
        ready = bool(snapshot.popular) or checks["mongodb"] == "ok"
    except Away:
        snapshot, ready = None, False
    published = snapshot.published_at if snapshot else None
    response = jsonify(
        status="ready" if ready else "unready",
        generation=snapshot.generation if snapshot else None,
        published_at=published.isoformat() if published else None,
        checks=checks,
        degraded=[name for name, state in checks.items() if state != "ok"],
    )
    response.headers["Cache-Control"] = "no-store"
    return response, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE


def _check(ping: Callable[[], None]) -> str:
    try:
        ping()
    except Away:
        return "away"
    return "ok"
