"""Turn what a log's columns hold into values of an event, without losing what does not fit."""

from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.contract.events import EVENT

Values = dict[str, Column | tuple[Column, Column]]
"""Event field to its value, or to (as written, value) where something written must be readable."""

HAS_DATE = r"^\s*\d{4}-\d{2}-\d{2}"


def candidates(rows: DataFrame, values: Values) -> DataFrame:
    """Return `rows` as events: the columns of `EVENT`, null where no value is given.

    `rows` has `raw` and `reason`. Where something is written but its value is null, the
    reason is `wrong_type`.
    """
    pairs = [value for value in values.values() if isinstance(value, tuple)]
    wrong = reduce(or_, [_is_unread(*pair) for pair in pairs], F.lit(False))
    read = {name: v[1] if isinstance(v, tuple) else v for name, v in values.items()}
    return rows.select(
        *[read.get(f.name, F.lit(None)).cast(f.type).alias(f.name) for f in EVENT],
        "raw",
        F.coalesce("reason", F.when(wrong, "wrong_type")).alias("reason"),
    )


def as_int(value: Column, kind: str = "int") -> Column:
    """Return a number or its text as an integer, a fraction cut off; null if it is neither."""
    return F.floor(value.try_cast("decimal(38,6)")).try_cast(kind)


def as_millis(value: Column, unit: str) -> Column:
    """Return a moment as epoch milliseconds: unit `s` (a fraction may follow), `ms` or `iso`.

    ISO text without a zone is read in the session's, which is UTC.
    """
    if unit == "iso":
        # A time without a date would be read as today's.
        return F.unix_millis(F.when(value.rlike(HAS_DATE), value.try_cast("timestamp")))
    scale = {"s": 1000, "ms": 1}[unit]
    return F.floor(F.try_multiply(value.try_cast("decimal(28,6)"), F.lit(scale))).try_cast("bigint")


def present(text: Column) -> Column:
    """Return the text without spaces around it; null where nothing else is in it."""
    return F.nullif(F.trim(text), F.lit(""))


def name_id(artist: Column, title: Column) -> Column:
    """Return an id for a song that has none: a stable hash of its names; null without a title."""
    key = F.concat_ws("\x1f", F.lower(F.trim(artist)), F.lower(present(title)))
    return F.when(present(title).isNotNull(), F.concat(F.lit("name-"), F.md5(key)))


def _is_unread(written: Column, value: Column) -> Column:
    # NaN is how pandas writes that there is no number.
    return ~F.trim(written.cast("string")).isin("", "NaN") & value.isNull()
