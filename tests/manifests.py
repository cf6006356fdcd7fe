"""Manifests of generations that nobody trained, for tests of what reads them."""

from datetime import UTC, date, datetime
from typing import Any

from jobs.contract.generations import Manifest, Norms

FITTED: dict[str, float | int | str] = {"alpha": 14.0, "reg": 1.25, "weighting": "log"}
"""How factors were fitted, without their rank."""

BLANK = Manifest(
    generation="g20240301T0200_00000001",
    as_of=date(2024, 3, 1),
    window_start=date(2023, 12, 2),
    lake_version=0,
    code_version="test",
    params={"rank": 2, "window_days": 90} | FITTED,
    plays=9,
    pairs=9,
    users=2,
    items=4,
    norms=Norms(users=1, items=1),
    popular=[],
    created_at=datetime(2024, 3, 1, tzinfo=UTC),
)


def manifest(generation: str, **changes: Any) -> Manifest:
    """Return the manifest of a small generation, with some fields changed."""
    return BLANK.model_copy(update={"generation": generation} | changes)
