"""What becomes of each source row: kept, or rejected with its reason. No row gets lost.

A row on its way has the fields of its master table, `raw`, `source_file` and `reason`, which
is null while nothing speaks against it.
"""

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.contract.fields import Field, names
from jobs.contract.songs import REJECTED

DUPLICATE = "duplicate_of_better_row"


def first_reason(rules: Sequence[tuple[str, Column]]) -> Column:
    """Return the code of the first rule that holds, or null."""
    return F.coalesce(*[F.when(holds, code) for code, holds in rules])


def one_per_id(rows: DataFrame, fields: tuple[Field, ...], exactness: list[Column]) -> DataFrame:
    """Keep one of the rows without a reason per id (the first field); the others lose.

    The row with the most fields filled wins; then the one that `exactness` puts higher; then
    the one whose fields come first in alphabetical order; then its file, then its raw text. So
    the outcome depends on what the rows say, never on the order in which they are read.
    """
    filled = reduce(lambda a, b: a + b, [F.col(f.name).isNotNull().cast("int") for f in fields])
    better = Window.partitionBy(fields[0].name).orderBy(
        F.col("reason").isNull().desc(),
        filled.desc(),
        *[column.desc_nulls_last() for column in exactness],
        *names(fields),
        "source_file",
        "raw",
    )
    lost = F.row_number().over(better) > 1
    return rows.withColumn("reason", F.coalesce("reason", F.when(lost, DUPLICATE)))


def kept(rows: DataFrame, fields: tuple[Field, ...]) -> DataFrame:
    """Return the rows without a reason, with the fields of their master table, in order."""
    winners = rows.where(F.col("reason").isNull())
    return winners.select(*[F.col(f.name).cast(f.type).alias(f.name) for f in fields])


def rejected(rows: DataFrame) -> DataFrame:
    """Return the rows with a reason, with the columns of REJECTED."""
    return rows.where(F.col("reason").isNotNull()).select(*names(REJECTED))


def account(rows: DataFrame) -> DataFrame:
    """Return source_file, reason (null: kept) and rows: how many of each there are."""
    return rows.groupBy("source_file", "reason").agg(F.count("*").alias("rows"))
