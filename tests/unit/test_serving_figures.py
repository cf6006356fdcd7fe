"""What two readings of the app's metrics say about the minutes between them."""

from math import inf

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from plugins.serving_figures import Figures, Window, quantile

ROUTE = "/recommend/home"


class App:
    """The metrics of an app, which the test makes up request by request."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self._seconds = Histogram(
            "nocturne_request_seconds",
            "-",
            labels,
            buckets=(0.01, 0.1, 1.0),
            registry=self._registry,
        )
        self._recommended = Counter(
            "nocturne_recommendations_total", "-", ["route", "strategy"], registry=self._registry
        )
        self.workers = Gauge(
            "nocturne_generation_workers", "-", ["generation"], registry=self._registry
        )

    def answer(self, seconds: float, status: int = 200, strategy: str = "als", route: str = ROUTE):
        self._seconds.labels("GET", route, status).observe(seconds)
        if route == ROUTE and status == 200:
            self._recommended.labels(route, strategy).inc()

    def text(self) -> str:
        return generate_latest(self._registry).decode()


def test_the_first_reading_is_of_all_time():
    app = App()
    for seconds in (0.005, 0.05, 0.05, 0.5):
        app.answer(seconds)
    app.answer(0.001, status=503)
    app.answer(3.0, route="/livez")
    app.workers.labels("g1").set(2)
    app.workers.labels("g0").set(0)
    assert Window().take(app.text(), 100.0) == Figures(
        seconds=0.0,
        requests=6,
        p50=0.1,
        p99=1.0,
        error_share=pytest.approx(1 / 6),
        fallback_share=0.0,
        client_errors=0,
        generations=["g1"],
    )


def test_later_ones_are_of_the_minutes_since_the_oldest_kept_one():
    app, window = App(), Window(60)
    for _ in range(100):
        app.answer(0.5)
    window.take(app.text(), 0.0)
    app.answer(0.005, strategy="popular")
    app.answer(0.005)
    found = window.take(app.text(), 50.0)
    assert (found.seconds, found.requests, found.p99) == (50.0, 2, 0.01)
    assert found.fallback_share == 0.5
    window.take(app.text(), 70.0)
    found = window.take(app.text(), 120.0)
    assert (found.seconds, found.requests, found.p50, found.error_share) == (70.0, 0, None, None)


def test_an_app_that_began_anew_is_compared_with_nothing():
    window = Window()
    old = App()
    for _ in range(10):
        old.answer(0.5)
    window.take(old.text(), 0.0)
    new = App()
    new.answer(0.005)
    found = window.take(new.text(), 10.0)
    assert (found.requests, found.p99) == (1, 0.01)


def test_quantiles_are_the_bounds_of_buckets():
    buckets = [(0.1, 90.0), (1.0, 98.0), (inf, 100.0)]
    assert [quantile(buckets, q) for q in (0.5, 0.9, 0.95, 0.99)] == [0.1, 0.1, 1.0, 1.0]
    assert quantile([], 0.5) is None
    assert quantile([(0.1, 0.0), (inf, 0.0)], 0.5) is None
