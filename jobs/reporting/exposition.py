"""What the stores know, as metrics for Prometheus. No label names a listener or a song.

Times are points in time rather than ages, so that a figure that was read long ago does not look
fresh. What is not known has no sample.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from jobs.contract.events import Action
from jobs.contract.generations import State
from jobs.contract.names import popularity

Document = Mapping[str, Any]
Rows = Iterable[tuple[tuple[str, ...], float | None]]
"""Values of the labels, and of the sample."""

PHASES = ("starting", "running", "held", "paused", "failed", "halted", "stopped")
ROWS = ("plays", "pairs", "users", "items")
HOURS = 24


def gauge(name: str, said: str, value: float | None) -> Metric:
    """Return a gauge without labels."""
    return gauges(name, said, (), [((), value)])


def gauges(name: str, said: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    """Return a gauge with a sample for each row whose value is known."""
    family = GaugeMetricFamily(f"nocturne_{name}", said, labels=labels)
    return _filled(family, rows)


def counters(name: str, said: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    """Return a counter with a sample for each row whose value is known."""
    family = CounterMetricFamily(f"nocturne_{name}", said, labels=labels)
    return _filled(family, rows)


def _filled(family: Any, rows: Rows) -> Metric:
    for values, value in rows:
        if value is not None:
            family.add_metric(values, float(value))
    found: Metric = family
    return found


def parts(answered: Mapping[str, bool]) -> list[Metric]:
    """Return which stores answered."""
    rows = [((part,), float(up)) for part, up in answered.items()]
    return [gauges("up", "Whether the store answered the exporter.", ("part",), rows)]


def stream(health: Document) -> list[Metric]:
    """Return how the stream is, of its document in `stream_health`."""
    phases = [((p,), float(health.get("phase") == p)) for p in PHASES] if health else []
    offsets = [((p,), offset) for p, offset in health.get("offsets", {}).items()]
    return [
        gauges("stream_phase", "1 for the phase of the driver.", ("phase",), phases),
        gauge("stream_heartbeat_timestamp_seconds", "The driver's heartbeat.", health.get("at")),
        gauge(
            "stream_progress_timestamp_seconds",
            "Its last batch, or sign that there is nothing to do.",
            health.get("progress_at"),
        ),
        gauge(
            "stream_last_event_timestamp_seconds",
            "When the newest event in the lake was received.",
            health.get("last_event_at"),
        ),
        gauge("stream_rows_per_second", "In the last batch.", health.get("rows_per_second")),
        gauge("stream_batch_seconds", "Of the last batch.", health.get("batch_seconds")),
        gauge(
            "stream_longest_batch_seconds",
            "Since the driver started.",
            health.get("longest_batch_seconds"),
        ),
        gauge(
            "stream_quarantined_rows",
            "Rows in quarantine.",
            health.get("quarantined", 0) if health else None,
        ),
        counters("stream_starts", "Starts of the driver.", (), [((), health.get("starts"))]),
        counters("stream_messages", "Messages of Kafka read.", ("partition",), offsets),
    ]


def lag(unread: Mapping[int, int]) -> list[Metric]:
    """Return the messages of each partition that were not read."""
    rows = [((str(partition),), messages) for partition, messages in unread.items()]
    return [gauges("stream_lag_messages", "Messages not read yet.", ("partition",), rows)]


def events(hours: Iterable[Document], last: int) -> list[Metric]:
    """Return the events of the 24 hours up to `last`, of documents of `event_counts`."""
    rows = Counter(dict.fromkeys(map(str, Action), 0))
    for hour in hours:
        if last - HOURS < hour["_id"] <= last:
            for count in hour["counts"]:
                rows[count["action"]] += count["events"]
    said = "Events of the last 24 hours, by the hour."
    return [gauges("events_24h", said, ("action",), [((a,), n) for a, n in rows.items()])]


def alerts(found: Iterable[Document]) -> list[Metric]:
    """Return which alerts are open, of all that ever were."""
    rows = [((alert["_id"], alert["runbook"]), float(alert["open"])) for alert in found]
    return [
        gauges("alert_open", "Whether an alert is open.", ("alert", "runbook"), rows),
        gauge("alerts_open", "Open alerts.", sum(is_open for _, is_open in rows)),
    ]


def generations(
    found: Sequence[Document], live: str | None, published: float | None
) -> list[Metric]:
    """Return what was trained and what is live, of the generations, the newest first."""
    states = Counter(d["state"] for d in found)
    of_live = next((d for d in found if d["_id"] == live), {})
    sizes = [((kind,), of_live.get(kind)) for kind in ROWS]
    trained = datetime.fromisoformat(found[0]["created_at"]).timestamp() if found else None
    return [
        gauges(
            "generations", "Generations by state.", ("state",), [((s,), states[s]) for s in State]
        ),
        gauges(
            "live_info", "1 for what is live.", ("generation",), [((live,), 1.0)] if live else []
        ),
        gauge("live_published_timestamp_seconds", "The last switch of what is live.", published),
        gauges("live_rows", "What the live generation was trained on.", ("kind",), sizes),
        gauge("trained_timestamp_seconds", "The newest training's end.", trained),
    ]


def job_phases(found: Iterable[Document]) -> list[Metric]:
    """Return how long each phase of each job took when it last ended well, and when that was."""
    known = [(j["_id"], name, phase) for j in found for name, phase in j["phases"].items()]
    labels = ("name", "phase")  # `job` is Prometheus' own
    return [
        gauges(
            "job_phase_seconds",
            "Of the last run that ended well.",
            labels,
            [((job, name), phase["seconds"]) for job, name, phase in known],
        ),
        gauges(
            "job_phase_ended_timestamp_seconds",
            "The end of that.",
            labels,
            [((job, name), phase["ended_at"]) for job, name, phase in known],
        ),
    ]


def quality(report: bytes) -> list[Metric]:
    """Return how good the live generation is beside popularity, of its own report (JSON)."""
    found = json.loads(report)
    models = {"live": "candidate", "popularity": popularity(found["params"]["window_days"])}
    rows = [
        ((view, metric, model), figure["mean"])
        for view, answers in found["home"].items()
        for model, name in models.items()
        for metric, figure in answers.get(name, {}).items()
        if isinstance(figure, dict)
    ]
    labels = ("view", "metric", "model")
    return [gauges("live_quality", "Means over listeners, of home lists.", labels, rows)]
