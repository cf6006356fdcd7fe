"""HTML pages of one look: no script, nothing fetched, dark or light, narrow or wide."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **context: Any) -> str:
    """Return the page that a template of `templates/` makes of the context.

    All text is escaped but `Markup`; a name that the context lacks raises UndefinedError. The
    templates extend `base.html`, which has the styles and the filters below.
    """
    return _environment().get_template(template).render(context)


def number(value: float | int | str | None) -> str:
    """Return a number as people read it: four decimals at most, thousands apart, `–` for none."""
    if value is None:
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"
    return value if isinstance(value, str) else f"{value:,.0f}"


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["number"] = number
    return found
