"""What the exporter says of what it knows, and of stores that are away."""

import json
import time
from contextlib import closing

from prometheus_client import CollectorRegistry, generate_latest

from jobs.contract.settings import Settings
from jobs.export_metrics import StoreMetrics
from jobs.reporting import exposition
from jobs.stores.stream_health import unread

NOWHERE = "127.0.0.1:1"
SCRAPE_TIMEOUT = 10


def samples(*families) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metrics in families
        for metric in metrics
        for sample in metric.samples
    }


def test_stores_that_are_away_are_said_to_be_and_show_no_figures():
    settings = Settings(
        kafka_bootstrap=NOWHERE, mongo_uri=f"mongodb://{NOWHERE}", s3_endpoint=f"http://{NOWHERE}"
    )
    registry = CollectorRegistry(auto_describe=False)
    started = time.monotonic()
    with closing(StoreMetrics(settings)) as metrics:
        registry.register(metrics)
        lines = generate_latest(registry).decode().splitlines()
    assert time.monotonic() - started < SCRAPE_TIMEOUT
    assert [line for line in lines if not line.startswith("#")] == [
        'nocturne_up{part="mongodb"} 0.0',
        'nocturne_up{part="kafka"} 0.0',
        'nocturne_up{part="minio"} 0.0',
    ]


def test_what_is_not_known_has_no_sample():
    assert not samples(
        exposition.stream({}), exposition.quality(b'{"params": {"window_days": 90}, "home": {}}')
    )
    assert (
        samples(exposition.stream({"phase": "starting", "at": 5.0}))[
            ("nocturne_stream_heartbeat_timestamp_seconds",)
        ]
        == 5.0
    )


def test_lag_counts_what_kafka_keeps_and_the_stream_did_not_read():
    found = samples(exposition.lag(unread({"offsets": {"0": 70}}, {0: (50, 100), 1: (5, 8)})))
    assert found == {
        ("nocturne_stream_lag_messages", "0"): 30,
        ("nocturne_stream_lag_messages", "1"): 3,
    }


def test_events_are_those_of_the_last_24_hours():
    def hour(at: int, action: str) -> dict:
        return {
            "_id": at,
            "counts": [{"action": action, "events": 2}, {"action": "skip", "events": 1}],
        }

    found = samples(
        exposition.events([hour(76, "listen"), hour(77, "listen"), hour(100, "x")], 100)
    )
    name = "nocturne_events_24h"
    assert found == {(name, "listen"): 2, (name, "complete"): 0, (name, "skip"): 2, (name, "x"): 2}


def test_quality_is_that_of_the_live_generation_and_of_popularity():
    home = {
        "unheard": {
            "candidate": {"ndcg_10": {"mean": 0.3, "low": 0.2}, "coverage": 0.5},
            "live": {"ndcg_10": {"mean": 0.1}},
            "popularity 90 d": {"ndcg_10": {"mean": 0.2}},
        }
    }
    report = json.dumps({"params": {"window_days": 90}, "home": home}).encode()
    name = "nocturne_live_quality"
    assert samples(exposition.quality(report)) == {
        (name, "unheard", "ndcg_10", "live"): 0.3,
        (name, "unheard", "ndcg_10", "popularity"): 0.2,
    }
