"""Ask each part of the stack whether it really works, by using it."""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import redis
from confluent_kafka.admin import AdminClient

from infra.local.config import HOST, Local
from jobs.contract.names import STREAM_HEALTH, STREAM_QUERY
from jobs.contract.settings import Settings
from jobs.stores.documents import database
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors

BEATS_SECONDS = 15.0
"""The driver writes a heartbeat every second, also while it is busy."""

Check = Callable[[], str]


class Unhealthy(Exception):
    """A part answers, but not as it should."""


def checks(local: Local, settings: Settings) -> dict[str, tuple[str, Check]]:
    """Return for each part its program (whose log tells more) and its check.

    A check returns a few words about the part and raises any exception when it is not healthy.
    """
    return {
        "redis": ("redis", lambda: _redis(settings)),
        "minio": ("minio", lambda: _minio(settings)),
        "mongo": ("mongo", lambda: _mongo(settings)),
        "kafka": ("kafka", lambda: _kafka(settings)),
        "milvus": ("milvus", lambda: _milvus(settings)),
        "app": ("app", lambda: _app(local)),
        "airflow": ("af-scheduler", lambda: _airflow(local)),
        "stream": ("stream", lambda: _stream(settings)),
    }


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.loads(answer.read() or b"{}")


def _redis(settings: Settings) -> str:
    redis.Redis.from_url(settings.redis_url, socket_timeout=2).ping()
    return settings.redis_url


def _minio(settings: Settings) -> str:
    _get(f"{settings.s3_endpoint}/minio/health/ready")
    return settings.s3_endpoint


def _mongo(settings: Settings) -> str:
    database(settings, timeout_ms=3_000).command("ping")
    return settings.mongo_uri


def _kafka(settings: Settings) -> str:
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    topics = admin.list_topics(timeout=3).topics
    if settings.kafka_topic not in topics:
        raise Unhealthy(f"topic {settings.kafka_topic} is not there yet")
    return f"{settings.kafka_bootstrap} topic {settings.kafka_topic}"


def _milvus(settings: Settings) -> str:
    vectors = Vectors(settings, timeout_s=5)
    try:
        live = Generations(settings, timeout_ms=3_000).live().generation
        if live is None:
            return f"{settings.milvus_uri} {len(vectors.generations())} collections"
        vectors.search(live, [[0.0] * vectors.dimension(live)], 1)
        return f"{settings.milvus_uri} searches {live}"
    finally:
        vectors.close()


def _app(local: Local) -> str:
    ready = _get(f"http://{HOST}:{local.app_port}/readyz")
    degraded = f" degraded: {', '.join(ready['degraded'])}" if ready.get("degraded") else ""
    return f"http://{HOST}:{local.app_port} generation {ready.get('generation')}{degraded}"


def _airflow(local: Local) -> str:
    parts = _get(f"http://{HOST}:{local.airflow_port}/api/v2/monitor/health")
    sick = [name for name, part in parts.items() if part and part["status"] != "healthy"]
    if sick:
        raise Unhealthy(f"not healthy: {', '.join(sick)}")
    return f"http://{HOST}:{local.airflow_port}"


def _stream(settings: Settings) -> str:
    found = database(settings, timeout_ms=3_000)[STREAM_HEALTH].find_one({"_id": STREAM_QUERY})
    if found is None:
        raise Unhealthy("no heartbeat yet")
    age = time.time() - found["at"]
    if found["phase"] not in ("running", "paused"):
        raise Unhealthy(f"{found['phase']} for {age:.0f} s")
    if age > BEATS_SECONDS:
        raise Unhealthy(f"last heartbeat {age:.0f} s ago")
    return f"{found['phase']}, heartbeat {age:.0f} s ago, batch {found.get('batch', '-')}"
