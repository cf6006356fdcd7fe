"""Read JSON into event columns, strictly: a field of a wrong type is refused, never nulled."""

from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.contract.events import EVENT, MAX_MESSAGE_BYTES, RAW_LOG
from jobs.contract.fields import Field, names
from jobs.stream.validate import STREAM, Limits, validate

INTS = [field.name for field in EVENT if field.type == "int"]

MAX_OPENED = 200
"""Lists and objects that a message may open. Spark walks them by recursion, and some hundreds
inside each other overflow its stack, which ends the executor: one message would stop the stream."""


def parse_messages(messages: DataFrame, limits: Limits = STREAM) -> DataFrame:
    """Return one row per Kafka message: the columns of `RAW_LOG`, `raw` and `reason`.

    `messages` has the columns of Spark's Kafka source. `reason` is null for a valid event and
    the first thing that is wrong with any other message.
    """
    rows = messages.select(
        F.coalesce("value", F.lit(b"")).alias("raw"),
        F.col("timestamp").alias("received_at"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.lit(None).cast("string").alias("import_id"),
    )
    events = validate(with_event_fields(with_json(rows)), limits)
    return events.select(*names(RAW_LOG), "raw", "reason")


def with_json(rows: DataFrame) -> DataFrame:
    """Add `json` (variant: a list of the one object in `raw`) and `reason` to rows with `raw`.

    The text is parsed inside brackets, because the parser stops after the first value: so
    `{} junk` is malformed, and a second value shows as a second element.
    """
    text = F.col("raw").cast("string")
    opened = F.octet_length(text) - F.octet_length(F.translate(text, "[{", ""))
    unreadable = F.coalesce(
        F.when(F.octet_length("raw") == 0, "empty"),
        F.when(F.octet_length("raw") > MAX_MESSAGE_BYTES, "too_large"),
        F.when(~F.is_valid_utf8(text), "invalid_utf8"),
        F.when(opened > MAX_OPENED, "too_nested"),
    )
    listed = F.try_parse_json(
        F.when(F.col("reason").isNull(), F.concat(F.lit("["), text, F.lit("]")))
    )
    first, second = (F.variant_get("json", f"$[{i}]", "variant") for i in (0, 1))
    malformed = F.coalesce(
        F.when(first.isNull() | second.isNotNull(), "malformed_json"),
        F.when(~text.rlike(r"^\s*\{"), "wrong_type"),
    )
    parsed = rows.withColumn("reason", unreadable).withColumn("json", listed)
    return parsed.withColumn("reason", F.coalesce("reason", malformed))


def with_event_fields(rows: DataFrame) -> DataFrame:
    """Turn `json` of `with_json` into the columns of `EVENT`; JSON null counts as absent.

    All fields are taken in one go, as their types and as they are: one expression for each
    would be more code than Spark can compile.
    """
    typed = F.try_variant_get("json", "$[0]", _struct({f.name: _wide(f) for f in EVENT}))
    as_is = F.try_variant_get("json", "$[0]", _struct({f.name: "variant" for f in EVENT}))
    read = rows.withColumns(
        {"typed": typed, "types": F.schema_of_variant(F.to_variant_object(as_is))}
    )
    values = {f.name: F.col(f"typed.{f.name}").try_cast(f.type) for f in EVENT}
    too_big = [F.col(f"typed.{name}").isNotNull() & values[name].isNull() for name in INTS]
    fits = F.coalesce(F.col("types").rlike(JSON_TYPES), F.lit(False))
    wrong = reduce(or_, too_big, ~fits)
    reason = F.coalesce("reason", F.when(wrong, "wrong_type"))
    return read.withColumns(values | {"reason": reason}).drop("json", "typed", "types")


def json_value(path: str, kind: str) -> Column:
    """Return what is at a dotted path of `json`, converted; null where absent or not such."""
    return F.try_variant_get("json", f"$[0].{path}", kind)


def _wide(field: Field) -> str:
    return "string" if field.type == "string" else "bigint"


def _struct(types: dict[str, str]) -> str:
    return f"struct<{', '.join(f'{name} {kind}' for name, kind in types.items())}>"


def _json_types() -> str:
    kinds = {f.name: f"({_wide(f).upper()}|VOID)" for f in EVENT}
    return f"^OBJECT<{', '.join(f'{name}: {kinds[name]}' for name in sorted(kinds))}>$"


JSON_TYPES = _json_types()
"""What Spark must call the types of an event's fields, in JSON; VOID: null or absent."""
