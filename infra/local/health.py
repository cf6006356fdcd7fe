"""Ask each part of the stack whether it really works, by using it."""

import json
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from typing import Any

import redis
from confluent_kafka.admin import AdminClient

from infra.local.airflow_client import Airflow
from infra.local.config import HOST, Local, stack_secrets
from jobs.contract.settings import Settings
from jobs.stores.alerts import Alerts
from jobs.stores.documents import Document, database
from jobs.stores.events import connection
from jobs.stores.generations import Generations
from jobs.stores.stream_health import StreamHealth
from jobs.stores.vectors import Vectors

BEATS_SECONDS = 15.0
"""The driver writes a heartbeat every second, also while it is busy."""

SUPERVISOR = "stream_supervisor"

Check = Callable[[], str]


class Unhealthy(Exception):
    """A part answers, but not as it should."""


class Paused(Unhealthy):
    """A person, or Airflow, switched a part off; it does not come back by itself."""


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
        "supervision": ("af-scheduler", lambda: _supervision(local)),
        "alerts": ("stream", lambda: _alerts(settings)),
    }


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.loads(answer.read() or b"{}")


def _redis(settings: Settings) -> str:
    redis.Redis.from_url(settings.redis_url, socket_timeout=2).ping()
    return settings.redis_url.rpartition("@")[2]  # without the password


def _minio(settings: Settings) -> str:
    _get(f"{settings.s3_endpoint}/minio/health/ready")
    return settings.s3_endpoint


def _mongo(settings: Settings) -> str:
    database(settings, timeout_ms=3_000).command("ping")
    return settings.mongo_uri


def _kafka(settings: Settings) -> str:
    admin = AdminClient(connection(settings) | {"log_level": 0})
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
    url = f"http://{HOST}:{local.airflow_port}"
    parts = _get(f"{url}/api/v2/monitor/health")
    sick = [name for name, part in parts.items() if part and part["status"] != "healthy"]
    if sick:
        raise Unhealthy(f"not healthy: {', '.join(sick)}")
    return url


def _supervision(local: Local) -> str:
    password = stack_secrets(local.state)["airflow_admin"]
    airflow = Airflow(f"http://{HOST}:{local.airflow_port}", "admin", password)
    if airflow.call("GET", f"dags/{SUPERVISOR}")["is_paused"]:
        raise Paused(
            f"the DAG {SUPERVISOR} is paused: nobody watches the stream; switch it on at "
            f"http://{HOST}:{local.airflow_port}/dags/{SUPERVISOR}"
        )
    return f"the DAG {SUPERVISOR} is on"


def _stream(settings: Settings) -> str:
    with closing(StreamHealth(settings)) as health:
        found = health.read()
    if not found:
        raise Unhealthy("no heartbeat yet")
    age = time.time() - found["at"]
    if found["phase"] not in ("running", "paused", "held"):
        why = f": {found['error']}" if found.get("error") else ""
        raise Unhealthy(f"{found['phase']} for {age:.0f} s{why}")
    if age > BEATS_SECONDS:
        raise Unhealthy(f"last heartbeat {age:.0f} s ago")
    return describe(found)


def describe(health: Document) -> str:
    """Return the stream's health in a line."""
    holds = f" by {'; '.join(health['holds'])}" if health.get("holds") else ""
    lag = sum(health.get("lag", {}).values())
    return (
        f"{health['phase']}{holds}, batch {health.get('batch', '-')}, lag {lag}, "
        f"{health.get('rows_per_second', 0)} rows/s, {health.get('quarantined', 0)} in quarantine, "
        f"{health.get('starts', 1) - 1} restarts"
    )


def _alerts(settings: Settings) -> str:
    with closing(Alerts(settings)) as alerts:
        opened = alerts.open()
    if opened:
        said = "; ".join(f"{a['_id']}: {a['said']} ({a['runbook']})" for a in opened)
        raise Unhealthy(said)
    return "none"
