"""A generation: one trained model and everything derived from it, under one id."""

import hashlib
import re
import secrets
from datetime import UTC, date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class State(StrEnum):
    """Where a generation stands; it only moves forward, but for `LIVE` and `RETIRED`."""

    TRAINED = "trained"
    GATED = "gated"
    REJECTED = "rejected"
    INDEXED = "indexed"
    LIVE = "live"
    RETIRED = "retired"


IN_STORES = (State.INDEXED, State.LIVE, State.RETIRED)
"""States in which a generation is in the stores that serve, unless it is `gone`."""

REJECTED_EXIT = 3
"""Exit code of the gate where it rejects a generation, which no retry would change."""

ID_PATTERN = r"g\d{8}T\d{4}_[0-9a-f]{8}"


def new_generation_id(as_of: date) -> str:
    """Return a new id: the window's end, the minute it was made, and eight random hex digits.

    Letters, digits and underscores only, as Milvus wants in a collection's name.
    """
    return f"g{as_of:%Y%m%d}T{datetime.now(UTC):%H%M}_{secrets.token_hex(4)}"


def run_generation_id(as_of: date, made_at: datetime, run: str) -> str:
    """Return the id of what one scheduler run trains: the same however often it is repeated.

    Examples:
        >>> at_two = datetime(2026, 11, 22, 2, tzinfo=UTC)
        >>> run_generation_id(date(2026, 11, 22), at_two, "scheduled")
        'g20261122T0200_770bee32'
    """
    digits = hashlib.sha256(f"{as_of}/{run}".encode()).hexdigest()[:8]
    return f"g{as_of:%Y%m%d}T{made_at.astimezone(UTC):%H%M}_{digits}"


def generation_id(text: str) -> str:
    """Return `text` if it can be the id of a generation; raises ValueError otherwise.

    Examples:
        >>> generation_id("g20261122T0200_1a2b3c4d")
        'g20261122T0200_1a2b3c4d'
        >>> generation_id("latest")
        Traceback (most recent call last):
        ValueError: 'latest' is no generation id like g20261122T0200_1a2b3c4d
    """
    if not re.fullmatch(ID_PATTERN, text):
        raise ValueError(f"{text!r} is no generation id like g20261122T0200_1a2b3c4d")
    return text


class Norms(BaseModel):
    """Median Euclidean norm of the factors; a jump between generations is a warning."""

    model_config = ConfigDict(frozen=True)

    users: float
    items: float


class Manifest(BaseModel):
    """What made a generation. Written last, so its presence says that training is whole.

    `tuned_by` is the study and trial that found the parameters, `neighbours` are the songs that
    have session neighbours, `lists` the listeners that have a nightly list. `mean_weight` is what
    the weights of the pairs were divided by, so that a new play can be weighed as those were.

    `engine` fitted it, in so many `iterations`; `started_from` is the generation whose factors it
    started from, `chain` the number of such starts since the last from scratch, and `cosine` the
    mean cosine of the songs' vectors with that generation's. Before `split` ends the part of the
    window that also has factors of its own, for the evaluation; None where it has not.
    """

    model_config = ConfigDict(frozen=True)

    generation: str
    as_of: date
    window_start: date
    lake_version: int
    code_version: str
    params: dict[str, float | int | str]
    plays: int
    pairs: int
    users: int
    items: int
    neighbours: int = 0
    lists: int = 0
    mean_weight: float = 1.0
    norms: Norms
    popular: list[str]
    tuned_by: str | None = None
    engine: str = "mllib"
    iterations: int | None = None
    started_from: str | None = None
    chain: int = 0
    cosine: float | None = None
    split: date | None = None
    created_at: datetime
