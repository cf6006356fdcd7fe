"""The formats of listening logs that can be imported, as one table.

Every row of a source becomes one candidate event with the columns of `EVENT`, `raw` (a line
as it came, a Parquet row as JSON) and `reason` (why it could not be read, or null).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.events import EVENT, Source
from jobs.contract.fields import Field
from jobs.stream.delimited import read_delimited
from jobs.stream.parse import json_value, with_event_fields, with_json
from jobs.stream.values import Values, as_int, as_millis, candidates, name_id, present


class Shape(StrEnum):
    """How the file is written."""

    PARQUET = "Parquet"
    JSON_LINES = "JSON lines"
    DELIMITED = "delimited text"


@dataclass(frozen=True)
class Reading:
    """How one file is read: what the user said, and what the head of the file shows."""

    shape: Shape = Shape.DELIMITED
    source: str = Source.REAL_USER
    columns: tuple[tuple[str, str], ...] = ()
    """(event field, column of the file) of the format `columns`."""
    timestamp_unit: str = "s"
    delimiter: str = ","
    has_header: bool = True
    found: tuple[str, ...] = ()
    """Columns of the file, in order; numbers from 1 where it has no header."""
    header: str = ""


@dataclass(frozen=True)
class LogFormat:
    """One format: `fields` are what a file of it holds; those not nullable must be there."""

    about: str
    shapes: tuple[Shape, ...]
    fields: tuple[Field, ...]
    read: Callable[[DataFrame, Reading], DataFrame]
    one_of: tuple[str, ...] = ()
    """Fields of which one must be there."""


def read_events(rows: DataFrame, log_format: LogFormat, reading: Reading) -> DataFrame:
    """Return one candidate per source row.

    `rows` are the columns of a Parquet file, or `value` (string), one row per line of text;
    blank lines and the header are no rows.
    """
    if reading.shape is not Shape.PARQUET:
        rows = rows.where((F.trim("value") != "") & (F.col("value") != F.lit(reading.header)))
    events = log_format.read(rows, reading)
    return events.withColumn("source", F.coalesce("source", F.lit(str(reading.source))))


def _thirty_music(rows: DataFrame, _: Reading) -> DataFrame:
    heard = F.col("playtime") if "playtime" in rows.columns else F.lit(None).cast("int")
    values: Values = {
        "user_id": F.col("user_id").cast("string"),
        "track_id": F.col("song_id").cast("string"),
        "timestamp": (F.col("ts"), as_millis(F.col("ts"), "s")),
        "duration": (heard, as_int(heard)),
        "action": F.lit("listen"),
    }
    return candidates(_with_raw_json(rows), values)


def _lastfm_1k(rows: DataFrame, _: Reading) -> DataFrame:
    fields = [field.name for field in LASTFM_1K]
    lines = read_delimited(rows, len(fields), "\t", quoted=False)
    column = dict(zip(fields, (F.col(f"fields.c{i}") for i in range(len(fields))), strict=True))
    values: Values = {
        "user_id": column["userid"],
        "track_id": F.coalesce(
            present(column["traid"]), name_id(column["artname"], column["traname"])
        ),
        "timestamp": (column["timestamp"], as_millis(column["timestamp"], "iso")),
        "action": F.lit("listen"),
    }
    return candidates(lines, values)


def _listenbrainz(rows: DataFrame, _: Reading) -> DataFrame:
    track, more = "track_metadata", "track_metadata.additional_info"
    lines = with_json(rows.select(F.col("value").cast("binary").alias("raw")))
    ids = (
        f"{track}.mbid_mapping.recording_mbid",
        f"{more}.recording_mbid",
        "recording_msid",
        f"{more}.recording_msid",
    )
    named = name_id(
        json_value(f"{track}.artist_name", "string"), json_value(f"{track}.track_name", "string")
    )
    at = json_value("listened_at", "string")
    length = F.coalesce(
        F.floor(json_value(f"{more}.duration_ms", "double") / 1000),
        json_value(f"{more}.duration", "double"),
    )
    values: Values = {
        "user_id": F.coalesce(json_value("user_name", "string"), json_value("user_id", "string")),
        "track_id": F.coalesce(*[present(json_value(path, "string")) for path in ids], named),
        "timestamp": (at, as_millis(at, "s")),
        "duration": as_int(json_value(f"{more}.duration_played", "double")),
        "total_duration": as_int(length),
        "action": F.lit("listen"),
    }
    return candidates(lines, values)


def _nocturne(rows: DataFrame, reading: Reading) -> DataFrame:
    if reading.shape is Shape.JSON_LINES:
        raw = F.col("value").cast("binary").alias("raw")
        return with_event_fields(with_json(rows.select(raw)))
    there = [field for field in EVENT if field.name in rows.columns]
    values: Values = {
        field.name: F.col(field.name).cast("string")
        if field.type == "string"
        else (F.col(field.name), as_int(F.col(field.name), field.type))
        for field in there
    }
    return candidates(_with_raw_json(rows), values)


def _columns(rows: DataFrame, reading: Reading) -> DataFrame:
    lines = read_delimited(rows, len(reading.found), reading.delimiter)
    types = {field.name: field.type for field in EVENT}
    values: Values = {"action": F.lit("listen")}
    for name, column in reading.columns:
        text = F.col(f"fields.c{reading.found.index(column)}")
        if name == "timestamp":
            values[name] = (text, as_millis(text, reading.timestamp_unit))
        else:
            values[name] = text if types[name] == "string" else (text, as_int(text, types[name]))
    return candidates(lines, values)


def _with_raw_json(rows: DataFrame) -> DataFrame:
    raw = F.to_json(F.struct("*"), {"ignoreNullFields": "false"}).cast("binary")
    return rows.withColumns({"raw": raw, "reason": F.lit(None).cast("string")})


THIRTY_MUSIC = (
    Field("user_id", "string", False, "the listener"),
    Field("song_id", "string", False, "the song"),
    Field("ts", "bigint", False, "epoch seconds"),
    Field("playtime", "int", True, "seconds heard"),
)
LASTFM_1K = (
    Field("userid", "string", False, "the listener"),
    Field("timestamp", "string", False, "ISO 8601"),
    Field("artid", "string", False, "MusicBrainz id of the artist, often empty"),
    Field("artname", "string", False, "the artist"),
    Field("traid", "string", False, "MusicBrainz id of the song, often empty"),
    Field("traname", "string", False, "the song's title"),
)
LISTENBRAINZ = (
    Field("listened_at", "bigint", False, "epoch seconds"),
    Field("track_metadata", "string", False, "an object with names, ids and lengths"),
)
COLUMNS = ("user_id", "track_id", "timestamp")
"""Event fields that `columns` must be given a column for."""
NOCTURNE_NEEDS = (*COLUMNS, "action")
NOCTURNE = tuple(Field(f.name, f.type, f.name not in NOCTURNE_NEEDS, f.about) for f in EVENT)

FORMATS = {
    "30music": LogFormat(
        "30Music sessions: one play per row", (Shape.PARQUET,), THIRTY_MUSIC, _thirty_music
    ),
    "lastfm-1k": LogFormat(
        "Last.fm-1K: tab-separated plays, no header", (Shape.DELIMITED,), LASTFM_1K, _lastfm_1k
    ),
    "listenbrainz": LogFormat(
        "ListenBrainz dump: one listen per line",
        (Shape.JSON_LINES,),
        LISTENBRAINZ,
        _listenbrainz,
        one_of=("user_name", "user_id"),
    ),
    "nocturne": LogFormat(
        "Nocturne's own events", (Shape.PARQUET, Shape.JSON_LINES), NOCTURNE, _nocturne
    ),
    "columns": LogFormat("any CSV or TSV, with --map", (Shape.DELIMITED,), (), _columns),
}
