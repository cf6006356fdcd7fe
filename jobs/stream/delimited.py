"""Split lines of delimited text, keeping each line as it came."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def read_delimited(lines: DataFrame, width: int, delimiter: str, quoted: bool = True) -> DataFrame:
    """Return `raw` (the line's bytes), `fields` (struct c0, c1, ... of strings) and `reason`.

    `lines` has `value`. A line with more or fewer than `width` fields is a `malformed_row`, and
    so is one with an open quote: a quoted field cannot go on in the next line. Empty fields
    are null.
    """
    schema = ", ".join([*[f"c{i} string" for i in range(width)], "malformed string"])
    options = {
        "sep": delimiter,
        "quote": '"' if quoted else "",
        "escape": '"',  # a quote inside a quoted field is written twice
        "columnNameOfCorruptRecord": "malformed",
        "mode": "PERMISSIVE",
    }
    split = lines.select(
        F.col("value").cast("binary").alias("raw"),
        F.col("value"),
        F.from_csv("value", schema, options).alias("fields"),
    )
    reason = F.coalesce(
        F.when(~F.is_valid_utf8("value"), "invalid_utf8"),
        F.when(F.col("fields.malformed").isNotNull(), "malformed_row"),
    )
    return split.select("raw", "fields", reason.alias("reason"))
