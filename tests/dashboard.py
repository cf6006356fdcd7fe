"""What the dashboard and the alert rules ask Prometheus for, read from their files."""

import json
import re
from dataclasses import dataclass
from typing import Any

import yaml

from infra.local.install import ROOT

METRICS = ROOT / "infra/metrics"
BOARD: dict[str, Any] = json.loads((METRICS / "grafana/dashboard.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
GROUPS = yaml.safe_load((METRICS / "rules.yml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]

STRING = r'"(?:[^"\\]|\\.)*"'
LABEL_LIST = r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}


@dataclass(frozen=True)
class Question:
    """One PromQL expression; `labels` are those it groups by, or that its legend shows."""

    where: str
    expression: str
    labels: frozenset[str]

    def selectors(self) -> list[str]:
        """Return the series that are asked for, with matchers: each word that is not PromQL's."""
        kept: list[str] = []

        def keep(found: re.Match[str]) -> str:
            kept.append(found[0])
            return f"{{{len(kept) - 1}}}"

        text = re.sub(LABEL_LIST, " ", self.expression)
        text = re.sub(r"\[[^]]*\]|\boffset\s+\w+", " ", text)
        text = re.sub(rf"\{{(?:{STRING}|[^}}\"])*\}}", keep, text)
        found = re.findall(r"\b([a-zA-Z_:][\w:]*)\b(?!\s*\()(?:\{(\d+)\})?", text)
        return [
            name + (kept[int(at)] if at else "") for name, at in found if name.lower() not in WORDS
        ]


def questions() -> list[Question]:
    """Return every expression of dashboard and rules."""
    found = []
    for panel in PANELS:
        for target in panel["targets"]:
            legend = re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", ""))
            found.append(_question(panel["title"], target["expr"], legend))
    for rule in RULES:
        told = " ".join(rule["annotations"].values())
        found.append(_question(rule["alert"], rule["expr"], re.findall(r"\$labels\.(\w+)", told)))
    return found


def _question(where: str, expression: str, shown: list[str]) -> Question:
    lists = [given for word, given in re.findall(LABEL_LIST, expression) if word == "by"]
    grouped = [label for given in lists for label in re.findall(r"\w+", given)]
    return Question(where, expression, frozenset([*grouped, *shown]))
