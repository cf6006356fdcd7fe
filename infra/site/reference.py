"""The pages of the settings and of the code, made from the models and the docstrings."""

from collections.abc import Iterator
from pathlib import Path

from infra.local.config import Local
from infra.local.install import ROOT
from infra.site.api import Schema, cell, kind, limits, shown_value
from jobs.contract.settings import PREFIX, Settings

PARTS = ("jobs", "serving", "plugins")
SETTINGS = """# Settings

Every setting is an environment variable; a wrong value is refused by name. How to set them is on
the [first page](../README.md#ports-passwords-settings).
"""


def settings_page() -> str:
    """Return the page of the settings: type, bounds, default and sentence of each."""
    lines = [SETTINGS]
    for title, model in (
        ("Jobs and serving, everywhere", Settings),
        ("The local stack alone", Local),
    ):
        lines += [f"## {title}\n", "| setting | type | default | |", "|---|---|---|---|"]
        for name, schema in model.model_json_schema()["properties"].items():
            lines.append(_setting(name, schema))
        lines.append("")
    return "\n".join(lines)


def code_pages() -> Iterator[tuple[str, str]]:
    """Yield name and text of a page for each package: its modules with their docstrings."""
    for part in PARTS:
        for folder in sorted({path.parent for path in (ROOT / part).rglob("*.py")}):
            name = ".".join(folder.relative_to(ROOT).parts)
            modules = [m for m in map(_module, sorted(folder.glob("*.py"))) if m]
            about = [] if part == "plugins" else [f"::: {name}", "    options: {members: false}"]
            lines = [f"# {name}", "", *about, ""]
            for module in modules:
                lines += [f"## {module}", "", f"::: {module}", ""]
            yield f"{name}.md", "\n".join(lines)


def _module(path: Path) -> str | None:
    return None if path.stem == "__init__" else ".".join(path.relative_to(ROOT).parts)[:-3]


def _setting(name: str, schema: Schema) -> str:
    default = schema.get("default", "")
    shown = "empty" if default == "" else f"`{shown_value(default)}`"
    bounds = limits({key: value for key, value in schema.items() if key != "default"})
    type_ = ", ".join(filter(None, [kind(schema), bounds]))
    about = cell(schema.get("description", ""))
    return f"| `{PREFIX}{name.upper()}` | {type_} | {shown} | {about} |"
