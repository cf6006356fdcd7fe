"""Train and measure on a split of your own: CSV files of user, item and, if you like, count.

The shipped ALS is trained on --train with the shipped defaults (or --rank, --reg, --alpha), all
items but a user's own are ranked for every user of --test, and Recall, NDCG and HR at 10 and 20
are printed beside popularity and item-kNN, and written as JSON. Needs no running stack.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.session import spark_session
from jobs.training.any_split import METRICS, means, measure
from jobs.training.recipe import Recipe, fit_pairs

REPORT = Path("reports/evaluate_split.json")


def read_pairs(path: Path) -> pd.DataFrame:
    """Return user, item (strings) and count (> 0; 1 where the file has none), a row per pair.

    Pairs that come again are added up. Raises BadInput that names the file and what is wrong.
    """
    try:
        rows = pd.read_csv(path, dtype={"user": str, "item": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: {error}") from None
    missing = [name for name in ("user", "item") if name not in rows.columns]
    if missing:
        raise BadInput(
            f"{path} has no column {' and no column '.join(missing)}: the first line must name "
            f"user, item and perhaps count; it has {', '.join(map(str, rows.columns))}"
        )
    if rows.empty:
        raise BadInput(f"{path} has no rows")
    counts = pd.to_numeric(rows["count"], errors="coerce") if "count" in rows else 1.0
    rows = rows[["user", "item"]].assign(count=counts)
    wrong = rows[~(rows["count"] > 0) | (rows["user"] == "") | (rows["item"] == "")]
    if len(wrong):
        raise BadInput(
            f"{path}, line {wrong.index[0] + 2}: user and item must not be empty and count must be "
            f"a number above 0 ({len(wrong)} such lines)"
        )
    return rows.groupby(["user", "item"], sort=False, as_index=False)["count"].sum()


def evaluate_split(
    spark: SparkSession,
    train: pd.DataFrame,
    test: pd.DataFrame,
    recipe: Recipe,
    seen: pd.DataFrame | None = None,
) -> dict[str, dict[str, float]]:
    """Return the means of each metric of each model; see `measure` for the frames."""
    columns = {"user": "user_id", "item": "track_id", "count": "plays"}
    pairs = spark.createDataFrame(train.rename(columns=columns))
    factors = fit_pairs(pairs.withColumn("plays", F.col("plays").cast("double")), recipe)
    return means(measure(train, test, factors, seen))


def lines(table: dict[str, dict[str, float]]) -> list[str]:
    """Return the table as aligned lines."""
    head = f"{'model':14}" + "".join(f"{name.replace('_', '@'):>11}" for name in METRICS)
    return [head] + [
        f"{model:14}" + "".join(f"{found[name]:11.4f}" for name in METRICS)
        for model, found in table.items()
    ]


def _run(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    train, test = read_pairs(args.train), read_pairs(args.test)
    seen = read_pairs(args.seen) if args.seen else None
    print(
        f"evaluate_split: {len(train)} train pairs of {train['user'].nunique()} users and "
        f"{train['item'].nunique()} items, {len(test)} test pairs",
        flush=True,
    )
    recipe = Recipe.of(settings)
    spark = spark_session(settings, "evaluate_split")
    try:
        table = evaluate_split(spark, train, test, recipe, seen)
    finally:
        spark.stop()
    return {"params": recipe.params(), "users": int(test["user"].nunique()), "models": table}


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, where a file cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, required=True, help="CSV: user,item[,count]")
    parser.add_argument("--test", type=Path, required=True, help="CSV: user,item")
    parser.add_argument("--seen", type=Path, help="CSV of pairs that are not ranked either")
    parser.add_argument("--rank", type=int, help="in place of the setting NOCTURNE_RANK")
    for name in ("reg", "alpha"):
        parser.add_argument(f"--{name}", type=float, help=f"setting NOCTURNE_{name.upper()}")
    parser.add_argument("--out", type=Path, default=REPORT, help=f"JSON report ({REPORT})")
    args = parser.parse_args(argv)
    try:
        found = _run(load_settings(rank=args.rank, reg=args.reg, alpha=args.alpha), args)
    except NocturneError as error:
        print(f"evaluate_split: {error}", file=sys.stderr)
        return 1
    print(*lines(found["models"]), sep="\n")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"evaluate_split: report in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
