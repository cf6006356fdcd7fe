"""A card of the operator's page, and how figures read on it."""

import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

Rows = list[list[str]]


@dataclass
class Card:
    """What a card shows: its `state` (good, warning, bad, unknown) with a sentence, and figures."""

    state: str
    said: str
    facts: Rows = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: Rows = field(default_factory=list)
    bars: list[int] = field(default_factory=list)
    links: Rows = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def known_as(self) -> dict[str, Any]:
        """Return the card as JSON, with when it was read (epoch seconds)."""
        return asdict(self) | {"at": time.time()}


def moment(at: datetime) -> str:
    """Return a time as people read it, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def ago(at: datetime) -> str:
    """Return how long ago a time is."""
    return since(at.timestamp())


def span(seconds: float) -> str:
    """Return a length of time in its largest sensible unit."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def since(at: float | None) -> str:
    """Return how long ago an epoch second is."""
    return "never" if not at else f"{span(time.time() - at)} ago"


def cell(value: float | None) -> str:
    """Return a metric with four digits."""
    return "-" if value is None else f"{value:.4f}"


def percent(share: float | None) -> str:
    """Return a share in percent."""
    return "-" if share is None else f"{share:.1%}"


def ms(seconds: float | None) -> str:
    """Return seconds in milliseconds."""
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"
