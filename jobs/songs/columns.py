"""Which column of a source becomes which field: the one table, and its reading."""

import re

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, MapType, StringType, StructType, VariantType

UNREADABLE, RAW, SOURCE_FILE = "_unreadable", "_raw", "_source_file"
"""Columns that reading adds to a file's own, named so that no file has them. `_unreadable` is
the text of a row that does not fit its file, and null for every other row."""

Mapping = dict[str, tuple[str, ...]]

SONG_COLUMNS: Mapping = {
    "track_id": ("track_id", "song_id", "id"),
    "title": ("track_name", "song_name", "name", "title"),
    "artist": (
        "artist_name",
        "artist_names",
        "artist_name_s",
        "track_artists",
        "artists",
        "artist",
    ),
    "artist_id": ("artist_id", "track_artist_id"),
    "album": ("album_name", "track_album_name", "album"),
    "genre": ("genre", "genres", "track_genre", "artist_genre", "artist_genres"),
    "milliseconds": ("track_duration_ms", "duration_ms", "track_length_ms", "length_ms"),
    "seconds": ("duration_s", "duration_sec", "duration_seconds", "track_length_seconds"),
    "minutes": ("track_length", "duration_min", "duration_minutes", "length_minutes"),
    "release_date": ("album_release_date", "track_album_release_date", "release_date"),
    "image_url": ("image_url", "album_image_url", "cover_url"),
    "url": ("url", "track_url", "external_url"),
}
USER_COLUMNS: Mapping = {
    "user_id": ("user_id", "userid", "id", "user"),
    "username": ("username", "user_name", "display_name", "name"),
    "likes": ("likes",),
}
"""Field -> the source columns it may come from. The first that a file has is taken for the
whole file, also where a row leaves it empty: `id` beside `track_id` is often a row number.
Names are compared as `normalised` writes them. A bare `duration` is left out: its unit is
anyone's guess."""


def normalised(name: str) -> str:
    """Return a column's name as the tables have it: `Duration (ms)` -> `duration_ms`.

    Examples:
        >>> normalised("Duration (ms)")
        'duration_ms'
        >>> normalised("  Artist Name(s)")
        'artist_name_s'
    """
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def column(frame: DataFrame, name: str) -> Column:
    """Return the column of exactly this name, whatever characters are in it."""
    return frame["`" + name.replace("`", "``") + "`"]


def mapped(frame: DataFrame, mapping: Mapping) -> DataFrame:
    """Return a string column for each field, null throughout where `frame` has none for it.

    `frame` is one file as `read_source` has it; `unreadable`, `raw` and `source_file` stay.
    """
    found = {normalised(name): name for name in reversed(frame.columns)}
    columns = []
    for field, sources in mapping.items():
        name = next((found[source] for source in sources if source in found), None)
        value = F.lit(None).cast("string") if name is None else _as_text(frame, name)
        columns.append(value.alias(field))
    ours = [F.col(name).alias(name.lstrip("_")) for name in (UNREADABLE, RAW, SOURCE_FILE)]
    return frame.select(*columns, *ours)


def _as_text(frame: DataFrame, name: str) -> Column:
    kind = frame.schema[name].dataType
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, StringType):
        return F.array_join(column(frame, name), ", ")
    if isinstance(kind, ArrayType | MapType | StructType | VariantType):
        return F.lit(None).cast("string")  # no one value to show; `raw` still has it
    return column(frame, name).cast("string")
