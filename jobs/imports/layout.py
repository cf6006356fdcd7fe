"""See from the head of a file whether it is of the format that was named."""

import codecs
import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.contract.errors import BadInput
from jobs.stream.formats import COLUMNS, FORMATS, LogFormat, Reading, Shape

LOOKED_AT = 20
"""Lines of which one must be of the format: a few bad rows in front refuse no log."""
MAX_LINE = 1 << 20


def look(path: Path, name: str, asked: Reading) -> Reading:
    """Return how to read a file of the format `name`.

    Raises BadInput that says what the file is not, or which columns it has and which it lacks.
    """
    log_format = FORMATS[name]
    if path.stat().st_size == 0:
        raise BadInput(f"{path.name}: the file is empty")
    if _is_parquet(path):
        return _look_at_parquet(path, name, asked)
    if log_format.shapes == (Shape.PARQUET,):
        raise BadInput(f"{path.name}: not a Parquet file, which the format {name} is")
    lines = [line for line in _lines(path) if line.strip()]
    if not lines:
        raise BadInput(f"{path.name}: the file holds no rows")
    if Shape.JSON_LINES in log_format.shapes:
        _check_json(path, name, lines)
        return replace(asked, shape=Shape.JSON_LINES)
    if log_format.fields:
        return _look_at_fixed_columns(path, name, lines, asked)
    return _look_at_delimited(path, lines, asked)


def _look_at_parquet(path: Path, name: str, asked: Reading) -> Reading:
    if Shape.PARQUET not in FORMATS[name].shapes:
        raise BadInput(f"{path.name}: a Parquet file, which the format {name} is not")
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path.name}: a damaged Parquet file: {error}") from None
    schema = metadata.schema.to_arrow_schema()
    _check_there(path, _needed(FORMATS[name]), schema.names)
    for field in FORMATS[name].fields:
        if field.name in schema.names and not _fits(schema.field(field.name).type, field.type):
            found = schema.field(field.name).type
            raise BadInput(
                f"{path.name}: column {field.name} is {found}, not {field.type} ({field.about})"
            )
    if metadata.num_rows == 0:
        raise BadInput(f"{path.name}: the file holds no rows")
    return replace(asked, shape=Shape.PARQUET, found=tuple(schema.names))


def _fits(found: pa.DataType, wanted: str) -> bool:
    whole = pa.types.is_integer(found) or pa.types.is_null(found)
    if wanted == "string":
        texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)
        return bool(whole or any(is_text(found) for is_text in texts))
    return bool(whole or pa.types.is_floating(found))  # pandas writes integers with gaps as floats


def _check_json(path: Path, name: str, lines: Iterable[str]) -> None:
    log_format = FORMATS[name]
    rows = [row for row in map(_json_object, lines) if row is not None]
    if not rows:
        raise BadInput(f"{path.name}: no JSON object in a line, which the format {name} is")
    best = max(rows, key=lambda row: len(set(_needed(log_format)) & set(row)))
    _check_there(path, _needed(log_format), list(best))
    if log_format.one_of and not set(log_format.one_of) & set(best):
        raise BadInput(f"{path.name}: none of {', '.join(log_format.one_of)} in its lines")


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _look_at_fixed_columns(path: Path, name: str, lines: list[str], asked: Reading) -> Reading:
    wanted = [field.name for field in FORMATS[name].fields]
    widths = {line.count("\t") + 1 for line in lines}
    if len(wanted) not in widths:
        raise BadInput(
            f"{path.name}: not the format {name}: {max(widths)} tab-separated columns, "
            f"not {len(wanted)} ({', '.join(wanted)})"
        )
    return replace(asked, shape=Shape.DELIMITED, found=tuple(wanted))


def _look_at_delimited(path: Path, lines: list[str], asked: Reading) -> Reading:
    first = next(csv.reader([lines[0]], delimiter=asked.delimiter))
    found = [name.strip() for name in first]
    if not asked.has_header:
        found = [str(place + 1) for place in range(len(found))]
    elif len(lines) == 1:
        raise BadInput(f"{path.name}: the file holds a header and no rows")
    fields = [field for field, _ in asked.columns]
    if missing := [field for field in COLUMNS if field not in fields]:
        raise BadInput(f"--map names no column for {', '.join(missing)}")
    _check_there(path, [column for _, column in asked.columns], found)
    header = lines[0] if asked.has_header else ""
    return replace(asked, shape=Shape.DELIMITED, found=tuple(found), header=header)


def _check_there(path: Path, needed: list[str], found: list[str]) -> None:
    if missing := [name for name in needed if name not in found]:
        raise BadInput(
            f"{path.name}: missing column {', '.join(missing)}; it has {', '.join(found)}"
        )


def _needed(log_format: LogFormat) -> list[str]:
    return [field.name for field in log_format.fields if not field.nullable]


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        if file.read(3) != codecs.BOM_UTF8:  # Spark leaves the byte order mark out too
            file.seek(0)
        for _ in range(LOOKED_AT):
            line = file.readline(MAX_LINE)
            if not line:
                return
            yield line.decode("utf-8", errors="replace").rstrip("\r\n")
