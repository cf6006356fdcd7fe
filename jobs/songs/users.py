"""Users as sources have them -> users as Nocturne has them.

A row is rejected when it does not fit its file (`unreadable_row`), has no id (`missing_id`) or
one that is too long or has control characters (`bad_id`), or when another row of its id is
better (`duplicate_of_better_row`).
"""

from collections.abc import Collection

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.erasure import Erased, Erasure
from jobs.contract.songs import USER
from jobs.maintenance.erasure import is_erased_text, is_erased_user
from jobs.songs.columns import USER_COLUMNS, mapped
from jobs.songs.decide import first_reason, one_per_id
from jobs.songs.repair import identifier, is_bad_id, text


def user_rows(source: DataFrame) -> DataFrame:
    """Return one row per source row of one file: repaired, or with the reason against it."""
    user_id = F.col("user_id")
    users = mapped(source, USER_COLUMNS).withColumns(
        {
            "user_id": identifier(user_id),
            "username": text(F.col("username")),
            "likes": text(F.col("likes")),
        }
    )
    rules = [
        ("unreadable_row", F.col("unreadable").isNotNull()),
        ("missing_id", user_id.isNull()),
        ("bad_id", is_bad_id(user_id)),
    ]
    return users.withColumn("reason", first_reason(rules)).drop("unreadable")


def without_erased(rows: DataFrame, hashes: Collection[str]) -> DataFrame:
    """Leave out the rows of `user_rows` that name erased listeners, by the SHA-256 of their ids."""
    if not hashes:
        return rows
    erased = Erased([Erasure(digest, 0) for digest in hashes])
    by_text = is_erased_text(F.col("raw"), USER_COLUMNS["user_id"], erased)
    no_id = F.col("user_id").isNull() | F.col("reason").eqNullSafe("unreadable_row")
    return rows.where(~F.when(no_id, by_text).otherwise(is_erased_user(F.col("user_id"), hashes)))


def choose_users(rows: DataFrame) -> DataFrame:
    """Keep the best row per user id among `user_rows` of every file."""
    return one_per_id(rows, USER, [])
