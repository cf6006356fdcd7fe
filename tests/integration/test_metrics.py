"""Prometheus has every series that the dashboard and the alert rules ask for."""

import time
import uuid

import pytest
import requests

from infra.local.metrics import address
from infra.local.processes import members
from tests.dashboard import Question, questions
from tests.integration.stack import make

SERIES_SECONDS = 60
RARE = {
    '{status=~"5.."}': '{status!=""}',
    '{strategy=~"popular.*|catalogue.*"}': '{strategy!=""}',
}
"""What a stack that is well does not have; the labels are there all the same."""


class Prometheus:
    """The running Prometheus, asked over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v1/query"

    def has(self, query: str) -> bool:
        answer = requests.get(self._url, {"query": query}, timeout=10)
        assert answer.status_code == 200, f"{query}: {answer.text}"
        return bool(answer.json()["data"]["result"])


@pytest.fixture(scope="module")
def prometheus(stack) -> Prometheus:
    """`make metrics` on the stack of the tests; it runs until the stack's end."""
    make("metrics", stack.local)
    return Prometheus(address(stack.local))


@pytest.fixture(scope="module")
def traffic(stack, published, prometheus) -> None:
    """Something of everything: recommendations, an event, and a run that fails."""
    home = f"{stack.app_url}/recommend/home"
    answer = requests.get(home, headers=stack.headers("listener-0000"), timeout=10)
    answer.raise_for_status()
    event = {
        "event_id": uuid.uuid4().hex,
        "track_id": answer.json()["songs"][0]["track_id"],
        "action": "listen",
        "timestamp": int(time.time() * 1000),
    }
    # Of nobody whose taste another test looks at.
    stranger = stack.headers("listener-of-metrics")
    events = f"{stack.app_url}/events"
    requests.post(events, json={"events": [event]}, headers=stranger, timeout=10).raise_for_status()
    airflow = stack.airflow()
    unknown = {"to": "g20000101T0000_00000000"}
    assert airflow.follow("rollback", airflow.trigger("rollback", unknown)) == "failed"


def missing(question: Question, prometheus: Prometheus) -> list[str]:
    """Return the series, and labels, of a question that Prometheus does not have."""
    asked = question.selectors()
    for rare, usual in RARE.items():
        asked = [series.replace(rare, usual) for series in asked]
    lost = [series for series in asked if not prometheus.has(series)]
    names = {series.partition("{")[0] for series in asked}
    for label in question.labels:
        if not any(prometheus.has(f'{name}{{{label}!=""}}') for name in names):
            lost.append(f"a label {label} of {' or '.join(sorted(names))}")
    return lost


def test_every_series_is_there(traffic, prometheus):
    """Airflow tells of a run, or a pool, when it next does: that is waited for."""
    deadline, asked = time.monotonic() + SERIES_SECONDS, questions()
    while asked and time.monotonic() < deadline:
        asked = [question for question in asked if missing(question, prometheus)]
        time.sleep(0.5)
    assert not {question.where: missing(question, prometheus) for question in asked}


def test_every_expression_is_valid(prometheus):
    for question in questions():
        prometheus.has(question.expression)


def test_no_label_of_ours_hides_behind_one_of_prometheus(traffic, prometheus):
    assert not prometheus.has('{exported_job!=""} or {exported_instance!=""}')


def test_the_key_is_for_its_owner_alone(stack, prometheus):
    mode = (stack.local.state / "metrics/serving.key").stat().st_mode
    assert oct(mode & 0o777) == "0o600"


def test_a_second_make_metrics_starts_nothing(stack, prometheus):
    before = [p.pid for p in members(stack.local.state, "prometheus")]
    make("metrics", stack.local)
    assert [p.pid for p in members(stack.local.state, "prometheus")] == before != []
