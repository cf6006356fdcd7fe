"""Repairs of single values, as column expressions; each may return null.

`value` is text as it came, `words` is what `text` made of it.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.contract.events import MAX_ID_LENGTH

BLANKS = r"[\s\p{Z}\p{Cc}\x{FEFF}]+"
"""Spaces of any script, controls, and the byte order mark that files leave behind."""

INVISIBLE = r"^[\s\p{Z}\p{Cc}\p{Cf}]*$"

UNKNOWN_DATE = r"^(?i)(nan|nat|0+([-/.]0+){0,2})$"
DATE = r"^([12]\d{3})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?(?:[T ].*)?$"

LIST_OF_NAMES = r"^\[(['\"]).*['\"]\]$"


def text(value: Column) -> Column:
    """Return the text with every run of blanks as one space, none at its ends; empty is null.

    Words such as `NONE` or `Null` stay: artists and songs are called so.
    """
    return _or_null(F.trim(F.regexp_replace(value, BLANKS, " ")))


def identifier(value: Column) -> Column:
    """Return the id without blanks at its ends; what is inside stays as it came."""
    return _or_null(F.regexp_replace(value, f"^{BLANKS}|{BLANKS}$", ""))


def is_bad_id(value: Column) -> Column:
    """Say whether an id is too long (in bytes, as Milvus counts) or has control characters."""
    return (F.octet_length(value) > MAX_ID_LENGTH) | value.rlike(r"\p{Cc}")


def names_in(words: Column) -> Column:
    """Return `['A', 'B']`, a list as Python prints it, as `A, B`; other text as it is."""
    inner = F.regexp_replace(words, r"^\[['\"]|['\"]\]$", "")
    joined = F.regexp_replace(inner, r"['\"], ?['\"]", ", ")
    return F.when(words.rlike(LIST_OF_NAMES), joined).otherwise(words)


def first_genre(words: Column) -> Column:
    """Return the first genre of a list with commas or semicolons, in lower case."""
    return _or_null(F.trim(F.lower(F.split(names_in(words), "[,;]")[0])))


def web_address(words: Column) -> Column:
    """Return an http(s) URL; anything else is null, for it ends up in links and images."""
    return F.when(words.rlike(r"^(?i)https?://[^\s\"'<>]+$"), words)


def release_date(words: Column) -> Column:
    """Return YYYY, YYYY-MM or YYYY-MM-DD, as exact as the source; null if it is no such date.

    Slashes, dots, missing zeros and a time of day are repaired. A part of 00 is unknown, and
    is left out with what follows it.
    """
    year, month, day = (_part(words, group) for group in (1, 2, 3))
    found = F.concat_ws("-", year, month, F.when(month.isNotNull(), day))
    return F.when(found.try_cast("date").isNotNull(), found)


def says_no_date(words: Column) -> Column:
    """Say whether the text is one that stands for an unknown date: zeros, or `nan`."""
    return words.rlike(UNKNOWN_DATE)


def _or_null(value: Column) -> Column:
    return F.when(~value.rlike(INVISIBLE), value)


def _part(words: Column, group: int) -> Column:
    digits = F.regexp_extract(words, DATE, group)
    return F.when(~digits.rlike("^0*$"), F.lpad(digits, 4 if group == 1 else 2, "0"))
