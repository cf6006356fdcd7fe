"""The dashboard's figures of now as a page of the local Prometheus, which has no other pages."""

import json
import re
from html import escape
from itertools import groupby
from typing import Any

SHOWN = {"s": "humanizeDuration", "percentunit": "humanizePercentage"}
ALERTS = 'ALERTS{alertstate="firing"}'
HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="15">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Nocturne: metrics</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; margin-bottom: 1rem; }
caption { text-align: left; font-weight: 600; padding: .5rem 0 .2rem; }
td { border-top: 1px solid #8886; padding: .15rem .5rem .15rem 0; }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
</style>
<h1>Nocturne</h1>
"""


def console(board: dict[str, Any]) -> str:
    """Return a console template of Prometheus: a table of each panel of a Grafana dashboard."""
    firing = _rows(ALERTS, "{{alertname}}", "short")
    page = [HEAD, f"<h2>Alerts that fire</h2><table>{firing}</table>"]
    for is_row, panels in groupby(board["panels"], lambda panel: panel["type"] == "row"):
        page += (f"<h2>{escape(p['title'])}</h2>" if is_row else _table(p) for p in panels)
    return "\n".join(page)


def _table(panel: dict[str, Any]) -> str:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    rows = (_rows(t["expr"], t["legendFormat"], unit) for t in panel["targets"])
    return f"<table><caption>{escape(panel['title'])}</caption>{''.join(rows)}</table>"


def _rows(expression: str, legend: str, unit: str) -> str:
    name = re.sub(r"\{\{\s*(\w+)\s*\}\}", r"{{ .Labels.\1 }}", legend)
    shown = SHOWN.get(unit, "humanize")
    return (
        f"{{{{ range query {json.dumps(expression)} }}}}"
        f"<tr><td>{name}<td>{{{{ .Value | {shown} }}}}</tr>"
        "{{ else }}<tr><td>nothing<td></tr>{{ end }}"
    )
