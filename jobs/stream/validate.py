"""Which events are accepted: one ordered table of rules, for the stream and for imports."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.contract.events import (
    MAX_ID_LENGTH,
    MAX_TRACK_SECONDS,
    QUARANTINE_LOG,
    RAW_LOG,
    Action,
    Source,
)

DAY_MS = 86_400_000
FUTURE_MS = 5 * 60 * 1000
"""Clocks of players differ; an event may be this far ahead of its arrival."""
EARLIEST_MS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
REPLAY_SECONDS = 60
"""Seeking back hears parts twice: past twice the length and this, the sender is wrong."""

IDS = ("event_id", "user_id", "track_id")
OPTIONAL_IDS = ("play_id", "request_id", "generation")


@dataclass(frozen=True)
class Limits:
    """How long after it happened an event may arrive; None: any time since 2000."""

    lateness: timedelta | None


STREAM = Limits(timedelta(days=14))
IMPORT = Limits(None)


def validate(events: DataFrame, limits: Limits) -> DataFrame:
    """Add `date`, and fill `reason` with the first rule that a row breaks; null: accepted.

    `events` has the columns of `RAW_LOG` without `date`, and `reason` where reading the row
    failed already: such a row keeps that reason. Persist the result before it goes to both
    `accepted` and `refused`: their filter on `reason` would otherwise be computed from scratch,
    by code that Spark cannot compile for its size.
    """
    broken = [F.when(condition, F.lit(code)) for code, condition in _rules(limits)]
    return events.withColumns(
        {"date": utc_day(F.col("timestamp")), "reason": F.coalesce(F.col("reason"), *broken)}
    )


def accepted(events: DataFrame) -> DataFrame:
    """Return the valid rows of `validate` with the columns of `raw/logs`, in order."""
    valid = events.where(F.col("reason").isNull())
    return valid.select(*[F.col(f.name).cast(f.type).alias(f.name) for f in RAW_LOG])


def refused(events: DataFrame) -> DataFrame:
    """Return the other rows of `validate` with the columns of `quarantine/logs`, in order."""
    arrived = utc_day(F.unix_millis("received_at"))
    invalid = events.where(F.col("reason").isNotNull()).withColumn("date", arrived)
    return invalid.select(*[F.col(f.name).cast(f.type).alias(f.name) for f in QUARANTINE_LOG])


def utc_day(millis: Column) -> Column:
    """Return the UTC day of epoch milliseconds, whatever the session's time zone.

    Null where no calendar holds it: a hostile timestamp must not end the batch.
    """
    return F.date_from_unix_date(F.floor(millis / DAY_MS).try_cast("int"))


def _rules(limits: Limits) -> tuple[tuple[str, Column], ...]:
    happened = F.col("timestamp")
    received = F.unix_millis("received_at")
    return (
        ("missing_id", _any(_is_blank(name) for name in IDS)),
        ("bad_id", _any(_is_unusable(name) for name in IDS + OPTIONAL_IDS)),
        ("missing_timestamp", happened.isNull()),
        ("unknown_action", _is_unknown("action", Action)),
        ("unknown_source", _is_unknown("source", Source)),
        ("absurd_duration", _absurd_duration()),
        ("future_timestamp", happened > received + FUTURE_MS),
        ("old_timestamp", happened < _earliest(limits, received)),
    )


def _earliest(limits: Limits, received: Column) -> Column:
    if limits.lateness is None:
        return F.lit(EARLIEST_MS)
    return received - int(limits.lateness.total_seconds() * 1000)


def _absurd_duration() -> Column:
    heard, length = F.col("duration"), F.col("total_duration")
    too_long = heard > length.cast("bigint") * 2 + REPLAY_SECONDS
    seconds = [~column.between(0, MAX_TRACK_SECONDS) for column in (heard, length)]
    millis = [
        ~F.col(name).between(0, MAX_TRACK_SECONDS * 1000) for name in ("listened_ms", "position_ms")
    ]
    return _any([too_long, *seconds, *millis])


def _is_blank(name: str) -> Column:
    # Also of spaces, controls and zero-width characters alone: nobody could tell two apart.
    return F.col(name).isNull() | F.col(name).rlike(r"^[\s\p{Z}\p{C}]*$")


def _is_unusable(name: str) -> Column:
    # Bytes, because that is how Milvus counts the length of an id.
    return (F.octet_length(name) > MAX_ID_LENGTH) | F.col(name).rlike(r"\p{Cc}")


def _is_unknown(name: str, known: type[Action] | type[Source]) -> Column:
    return F.col(name).isNull() | ~F.col(name).isin([str(value) for value in known])


def _any(conditions: Iterable[Column]) -> Column:
    return reduce(or_, conditions)
