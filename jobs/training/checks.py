"""What must hold before a training is begun, and before its factors are believed."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.contract.errors import BadModel, TooLittleData
from jobs.contract.settings import Settings


def require_enough(found: Mapping[str, int], settings: Settings, window: str) -> None:
    """Raise TooLittleData that names each count below its minimum and the setting that asks it.

    `found` has plays, users and items of the window; `window` names it for people.
    """
    minimum = {
        "plays": ("plays", settings.min_plays),
        "users": ("listeners", settings.min_listeners),
        "items": ("songs", settings.min_songs),
    }
    missing = [
        f"{found[key]} {noun} (NOCTURNE_MIN_{noun.upper()}={least})"
        for key, (noun, least) in minimum.items()
        if found[key] < least
    ]
    if missing:
        raise TooLittleData(
            f"too little to train on in {window}: {', '.join(missing)}. Nothing was written and "
            "the live generation stays. Import or wait for more plays, choose another --as-of, "
            "widen --window-days, or lower the settings named here"
        )


def factor_summary(factors: DataFrame, rank: int) -> DataFrame:
    """Return one row: rows, bad (not `rank` finite numbers), norm (median Euclidean, double)."""
    number = F.col("vector")
    wrong = F.exists(number, lambda x: F.isnan(x) | (F.abs(x) == float("inf")))
    squares = F.aggregate(number, F.lit(0.0), lambda total, x: total + x * x)
    return factors.agg(
        F.count("*").alias("rows"),
        F.count_if((F.size(number) != rank) | wrong).alias("bad"),
        F.median(F.sqrt(squares)).alias("norm"),
    )


def require_sound(kind: str, rows: int, bad: int, expected: int) -> None:
    """Raise BadModel unless there is one row of finite numbers for each user or song."""
    if rows != expected or bad:
        raise BadModel(
            f"training gave {rows} {kind} for {expected} in the window, {bad} of them with NaN, "
            "infinite or missing numbers: lower --alpha or raise --reg"
        )
