"""Objects without the rows of erased listeners: bytes in, bytes out."""

import bz2
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from html import unescape
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.contract.erasure import Erased
from jobs.songs.columns import USER_COLUMNS, normalised
from jobs.songs.sources import DELIMITERS, JSON_LINES, PARQUET, kind_of

ID_COLUMNS = USER_COLUMNS["user_id"]
PACKED: tuple[tuple[bytes, Callable[[bytes], bytes], Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", gzip.decompress, gzip.compress),
    (b"BZh", bz2.decompress, bz2.compress),
)
DAMAGED = (OSError, EOFError, ValueError, zlib.error, csv.Error, pa.ArrowException)

Rewritten = tuple[bytes, int]
"""The object, and how many rows of erased listeners it had. Where they could not be taken out,
it is the object as it was."""


def users_without(key: str, body: bytes, erased: Erased) -> Rewritten:
    """Take erased listeners out of a file below `landing/users/`; every other byte stays.

    A file of another kind, or one that is damaged, stays and counts as one row if it has an id.
    """
    kinds = [kind for part in PurePosixPath(key).parts if (kind := kind_of(part))]
    try:
        if kinds and kinds[-1] == PARQUET:
            return parquet_without(body, erased)
        if kinds:
            return _repacked(body, lambda text: _lines_without(kinds[-1], text, erased))
    except DAMAGED:
        pass  # as with a file of another kind
    return body, int(erased.is_in(body.decode("utf-8", errors="replace")))


def parquet_without(body: bytes, erased: Erased) -> Rewritten:
    """Take the rows of erased listeners out of a Parquet file, by its column of ids if any."""
    file = pq.ParquetFile(io.BytesIO(body))
    column = _id_column(file.schema_arrow.names)
    if column is None:
        gone = [erased.is_in(_as_text(row)) for row in file.read().to_pylist()]
    else:
        name = file.schema_arrow.names[column]
        gone = [_is_id(value, erased) for value in file.read([name])[name].to_pylist()]
    if not any(gone):
        return body, 0
    kept = io.BytesIO()
    pq.write_table(file.read().filter(pa.array([not is_gone for is_gone in gone])), kept)
    return kept.getvalue(), sum(gone)


def shown_in(body: bytes, erased: Erased) -> int:
    """Return how many erased listeners' lists a page of compare.py shows."""
    shown = re.findall(r'data-listener="([^"]*)"', body.decode())
    return sum(erased.is_id(unescape(user_id)) for user_id in shown)


def row_count(body: bytes) -> int:
    """Return how many rows a Parquet file has."""
    return int(pq.read_metadata(io.BytesIO(body)).num_rows)


def _repacked(body: bytes, change: Callable[[bytes], Rewritten]) -> Rewritten:
    for magic, unpack, pack in PACKED:
        if body.startswith(magic):
            changed, gone = change(unpack(body))
            return (pack(changed) if gone else body), gone
    return change(body)


def _lines_without(kind: str, body: bytes, erased: Erased) -> Rewritten:
    if kind in JSON_LINES:
        records = _json_records(body, erased)
    else:
        records = _delimited_records(body, DELIMITERS[kind], erased)
    kept, gone = [], 0
    for record, is_gone in records:
        gone += is_gone
        if not is_gone:
            kept.append(record)
    return b"".join(kept), gone


def _json_records(body: bytes, erased: Erased) -> Iterator[tuple[bytes, bool]]:
    for line in body.splitlines(keepends=True):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        yield line, _is_erased_row(row, line.decode("utf-8", errors="replace"), erased)


def _is_erased_row(row: Any, text: str, erased: Erased) -> bool:
    fields = list(row) if isinstance(row, dict) else []
    column = _id_column(fields)
    value = None if column is None else row[fields[column]]
    if value is None or isinstance(value, dict | list):
        return erased.is_in(text)
    return _is_id(value, erased)


def _delimited_records(body: bytes, delimiter: str, erased: Erased) -> Iterator[tuple[bytes, bool]]:
    """Yield each record with all its lines, as a quoted field may go over several.

    Of a record that does not fit the header, or has an open quote, each line counts alone:
    behind a quote that is never closed, the rest of the file is one record.
    """
    lines = list(io.StringIO(body.decode("utf-8", errors="surrogateescape"), newline=""))
    reader = csv.reader(lines, delimiter=delimiter)
    header: list[str] = []
    begin = 0
    for fields in reader:
        ours = lines[begin : reader.line_num]
        begin = reader.line_num
        column = _id_column(header)
        fits = len(fields) == len(header) and "".join(ours).count('"') % 2 == 0
        if not header or not fields:
            header = header or fields
            yield _as_bytes(ours), False
        elif column is not None and fits:
            yield _as_bytes(ours), _is_id(fields[column], erased)
        else:
            yield from ((_as_bytes([line]), erased.is_in(line)) for line in ours)


def _as_bytes(lines: list[str]) -> bytes:
    return "".join(lines).encode("utf-8", errors="surrogateescape")


def _id_column(columns: Sequence[str]) -> int | None:
    """Return the place of the column of user ids, chosen as the ETL chooses it."""
    found = {normalised(column): place for place, column in reversed(list(enumerate(columns)))}
    return next((found[name] for name in ID_COLUMNS if name in found), None)


def _is_id(value: object, erased: Erased) -> bool:
    # The ETL takes ids without the blanks around them.
    return erased.is_id(value) or erased.is_id(str(value).strip("\ufeff").strip())


def _as_text(row: object) -> str:
    return json.dumps(row, default=str, ensure_ascii=False)
