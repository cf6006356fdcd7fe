"""Dashboard and alert rules are whole: each panel asks and has a unit, each alert has a runbook."""

import pytest
import yaml

from infra.local.install import ROOT
from tests.dashboard import BOARD, METRICS, PANELS, RULES, Question, questions

DAGS = {dag.stem for dag in (ROOT / "dags").glob("*.py")}
SOURCE = yaml.safe_load((METRICS / "grafana/datasource.yml").read_text())["datasources"][0]


def each(found, name):
    return pytest.mark.parametrize("found", [pytest.param(f, id=f[name]) for f in found])


def test_ids_of_panels_are_unique():
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids) > 20
    assert BOARD["uid"] == "nocturne"


def test_panels_do_not_overlap():
    taken = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


@each(PANELS, "title")
def test_a_panel_asks_and_has_a_unit(found):
    assert found["fieldConfig"]["defaults"]["unit"]
    assert found["targets"]
    assert all(target["expr"] and target["legendFormat"] for target in found["targets"])
    assert {source["datasource"]["uid"] for source in (found, *found["targets"])} == {SOURCE["uid"]}


@each(RULES, "alert")
def test_an_alert_says_what_is_wrong_and_what_to_do(found):
    summary, book = found["annotations"]["summary"], found["annotations"]["runbook"]
    assert summary.endswith(".")
    if book == "{{ $labels.runbook }}":  # an alert of our own brings its own along
        assert found["expr"].startswith("nocturne_alert_open")
        return
    named = [book.replace("{{ $labels.dag_id }}", dag) for dag in DAGS]
    assert all((ROOT / name).is_file() for name in named)


@pytest.mark.parametrize(
    ("expression", "series"),
    [
        ("sum(rate(a_total[5m])) or vector(0)", ["a_total"]),
        ('a{x="}",y=~"b|c"} / on () group_left () b', ['a{x="}",y=~"b|c"}', "b"]),
        ("histogram_quantile(0.99, sum by (le) (rate(a_bucket[5m]))) > 0.5", ["a_bucket"]),
        ("time() - a > 36 * 3600 unless a offset 30m", ["a", "a"]),
    ],
)
def test_series_are_found_in_expressions(expression, series):
    assert Question("", expression, frozenset()).selectors() == series


def test_every_question_asks_for_a_series():
    assert all(question.selectors() for question in questions())
