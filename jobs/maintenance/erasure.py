"""Which rows of the lake are those of erased listeners, and which offsets go with them.

Listeners are compared by the SHA-256 of their id, so that no plan and no table log has an id.
Only free text also needs the ids themselves: one with blanks in it is no token there.
"""

import re
from collections.abc import Collection
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.contract.erasure import TOKEN, Erased, Erasure
from jobs.contract.events import REMOVED_OFFSET, Removal
from jobs.contract.fields import names
from jobs.songs.repair import identifier


def is_erased_event(erasures: Collection[Erasure]) -> Column:
    """Say whether a row of `raw/logs` goes: it happened or arrived before the request.

    What a listener plays after the request is theirs to keep.
    """
    began = F.least("timestamp", F.unix_millis("received_at"))
    hashed = F.sha2("user_id", 256)
    return reduce(
        or_, [(hashed == e.id) & (began <= e.requested_at) for e in erasures], F.lit(False)
    )


def is_erased_text(raw: Column, columns: Collection[str], erased: Erased) -> Column:
    """Say whether a refused row is a listener's; `raw` is its text or bytes.

    In JSON objects the values of `columns` decide (written as `normalised` writes them); where
    there is no such value, and in other text, an id counts that is there as a whole token.
    """
    text = raw.cast("string")
    ids = _ids_in(text, columns)
    named = F.exists(ids, lambda value: F.sha2(value, 256).isin(*erased.hashes))
    return F.coalesce(F.when(F.size(ids) > 0, named), _has_token(text, erased), F.lit(False))


def is_erased_user(user_id: Column, hashes: Collection[str]) -> Column:
    """Say whether this is the id of an erased listener; false where it is null."""
    return F.coalesce(F.sha2(user_id, 256).isin(*hashes), F.lit(False))


def removed_offsets(rows: DataFrame, known: DataFrame) -> DataFrame:
    """Return ranges of offsets (REMOVED_OFFSET) of the rows that go, one per unbroken run.

    `rows` has `kafka_partition` and `kafka_offset`, null for imported rows; `known` is
    `audit/removed_offsets` as it is: what is listed there already is left out.
    """
    ours = rows.select("kafka_partition", "kafka_offset").dropna().distinct().alias("ours")
    is_listed = (F.col("ours.kafka_partition") == F.col("known.kafka_partition")) & F.col(
        "kafka_offset"
    ).between(F.col("first_offset"), F.col("last_offset"))
    new = ours.join(known.alias("known"), is_listed, "left_anti")
    place = F.row_number().over(Window.partitionBy("kafka_partition").orderBy("kafka_offset"))
    runs = new.withColumn("run", F.col("kafka_offset") - place).groupBy("kafka_partition", "run")
    return runs.agg(
        F.min("kafka_offset").alias("first_offset"),
        F.max("kafka_offset").alias("last_offset"),
        F.lit(str(Removal.ERASED)).alias("reason"),
        F.current_timestamp().alias("removed_at"),
    ).select(*names(REMOVED_OFFSET))


def _ids_in(text: Column, columns: Collection[str]) -> Column:
    """Return the values of the columns in a text that is one JSON object or more; null if none.

    The text is parsed inside brackets, as in jobs/stream/parse.py, so that junk behind the
    object is noticed.
    """
    listed = F.concat(F.lit("["), text, F.lit("]"))
    objects = F.from_json(listed, "array<map<string,string>>")
    entries = F.flatten(F.transform(objects, F.map_entries))
    wanted = F.filter(
        entries,
        lambda e: _normalised(e["key"]).isin(*columns) & ~e["value"].rlike(r"^\s*([\[{]|$)"),
    )
    return F.transform(wanted, lambda e: identifier(e["value"]))


def _normalised(key: Column) -> Column:
    return F.regexp_replace(F.regexp_replace(F.lower(key), "[^0-9a-z]+", "_"), "^_+|_+$", "")


def _has_token(text: Column, erased: Erased) -> Column:
    tokens = F.regexp_extract_all(text, F.lit(f"({TOKEN}+)"), F.lit(1))
    hashed = F.exists(tokens, lambda token: F.sha2(token, 256).isin(*erased.hashes))
    written = [
        text.rlike(f"(?<!{TOKEN}){re.escape(user_id)}(?!{TOKEN})") for user_id in erased.user_ids
    ]
    return reduce(or_, written, hashed)
