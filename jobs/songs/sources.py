"""Read one landing file, whatever its format, so that no row of it gets lost."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.contract.errors import BadInput
from jobs.songs.columns import RAW, SOURCE_FILE, UNREADABLE, column

DELIMITERS = {".csv": ",", ".psv": "|", ".tsv": "\t"}
JSON_LINES = (".json", ".jsonl", ".ndjson")
PARQUET = ".parquet"
ENDINGS = (*DELIMITERS, *JSON_LINES, PARQUET)
COMPRESSIONS = (".gz", ".bz2")

PATTERN = r"[{}\[\]*?\\]"


def kind_of(name: str) -> str | None:
    """Return the ending that says how a file is read, or None if it is no catalogue file.

    Spark takes names that begin with `_` or `.` for bookkeeping and reads none of their rows.

    Examples:
        >>> kind_of("Songs.CSV.gz")
        '.csv'
        >>> kind_of("notes.txt") is None
        True
        >>> kind_of("_SUCCESS.csv") is None
        True
    """
    if name.startswith(("_", ".")):
        return None
    for compression in COMPRESSIONS:
        name = name.lower().removesuffix(compression)
    ending = PurePosixPath(name).suffix
    return ending if ending in ENDINGS else None


def landing_name(source: str) -> str:
    """Return the name under which the file of a path or URL lands.

    Its own, but for characters that Spark takes for a pattern. Raises BadInput where its
    ending is none of a catalogue file.

    Examples:
        >>> landing_name("https://example.org/dumps/my%20songs[1].csv?token=x")
        'my songs-1-.csv'
    """
    is_url = "://" in source
    path = unquote(urlsplit(source).path) if is_url else source
    name = re.sub(PATTERN, "-", PurePosixPath(path).name)
    if kind_of(name) is None:
        raise BadInput(f"{source}: a catalogue file ends in one of {', '.join(ENDINGS)}")
    return name


def catalogue_files(keys: Iterable[str], prefix: str) -> tuple[list[str], list[str]]:
    """Return the catalogue files among the object keys below `prefix/`, and the other keys.

    A folder with an ending of its own (`songs.parquet/part-0.parquet`) counts as one file.

    Examples:
        >>> catalogue_files(["in/a.csv", "in/b.parquet/part-0.parquet", "in/x.pdf"], "in")
        (['in/a.csv', 'in/b.parquet'], ['in/x.pdf'])
    """
    files, others = set(), []
    for key in keys:
        parts = key.removeprefix(f"{prefix}/").split("/")
        known = next((i for i, part in enumerate(parts) if kind_of(part)), None)
        if known is not None:
            files.add("/".join([prefix, *parts[: known + 1]]))
        elif parts[-1]:
            others.append(key)
    return sorted(files), others


def read_source(spark: SparkSession, path: str, source_file: str) -> DataFrame:
    """Read the file at `path`: its own columns, `_raw` (the row as JSON) and `_source_file`.

    Text formats keep every value as the string it was. A row with more or fewer fields than
    the header, or a line that is no JSON object, comes out with its text in `_unreadable`.
    Raises BadInput when the file cannot be opened as what its ending says.
    """
    kind = kind_of(path.rstrip("/").rsplit("/", 1)[-1])
    if kind is None:
        raise BadInput(f"{source_file}: a catalogue file ends in one of {', '.join(ENDINGS)}")
    if re.search(PATTERN, path):
        raise BadInput(f"{source_file}: Spark takes {{}}[]*?\\ in a name for a pattern; rename it")
    try:
        rows = _read(spark, path, kind)
    except (PySparkException, Py4JError) as error:
        reason = " ".join(str(error).splitlines()[:2])
        raise BadInput(f"{source_file} cannot be read as {kind}: {reason}") from error
    own = [column(rows, name).alias(name) for name in rows.columns if name != UNREADABLE]
    as_json = F.to_json(F.struct(*own), {"ignoreNullFields": "false"}) if own else F.lit(None)
    return rows.select(
        "*",
        F.coalesce(UNREADABLE, as_json).alias(RAW),
        F.lit(source_file).alias(SOURCE_FILE),
    )


def _read(spark: SparkSession, path: str, kind: str) -> DataFrame:
    if kind == PARQUET:
        return spark.read.parquet(path).withColumn(UNREADABLE, F.lit(None).cast("string"))
    if kind in JSON_LINES:
        return _read_json(spark, path)
    return _read_delimited(spark, path, DELIMITERS[kind])


def _read_delimited(spark: SparkSession, path: str, delimiter: str) -> DataFrame:
    # A quote inside quotes is written twice, as RFC 4180 and Python's csv have it.
    reader = spark.read.options(
        header=True, sep=delimiter, quote='"', escape='"', multiLine=True, encoding="UTF-8"
    )
    header = reader.csv(path).schema
    if not header.names:
        return spark.createDataFrame([], f"{UNREADABLE} string")
    # Only a declared schema makes Spark say which rows do not fit it.
    schema = header.add(UNREADABLE, "string")
    return reader.option("columnNameOfCorruptRecord", UNREADABLE).schema(schema).csv(path)


def _read_json(spark: SparkSession, path: str) -> DataFrame:
    reader = spark.read.options(primitivesAsString=True, columnNameOfCorruptRecord=UNREADABLE)
    schema = reader.json(path).schema
    if schema.names == [UNREADABLE]:  # Spark refuses to read a file of such lines alone
        return spark.read.text(path).toDF(UNREADABLE)
    if UNREADABLE not in schema.names:
        schema = schema.add(UNREADABLE, "string")
    return reader.schema(schema).json(path)
