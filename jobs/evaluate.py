"""Compare a generation's home page with popularity, on the days after its window.

For each listener with at least 5 songs in the window and a play in the days after it, every
song is ranked exactly: `all` songs, and `unheard`, without the listener's own songs of the
window in list and target. Prints a table and writes `models/<generation>/report.json`.
"""

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from functools import partial

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.contract import names
from jobs.contract.errors import NocturneError
from jobs.contract.generations import Manifest, generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.phases import phase
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.manifests import read_manifest
from jobs.stores.objects import Objects
from jobs.training import holdout, ranking, window
from jobs.training.ranking import Floats, Holdout, Quality

timed = partial(phase, "evaluate")
Table = dict[str, dict[str, Quality]]
"""Quality by protocol (unheard, all) and model."""


def evaluate(settings: Settings, generation: str, days: int) -> Table:
    """Judge one generation and write its report; empty when nobody can be judged yet."""
    manifest = read_manifest(settings, generation)
    spark = spark_session(settings, f"evaluate {generation}")
    try:
        with timed("reading"):
            data, users, items = _read(spark, settings, manifest, days)
    finally:
        spark.stop()
    if not len(users):
        return {}
    models = {
        "als": ranking.by_factors(users, items),
        f"popularity {manifest.params['window_days']} d": ranking.by_popularity(data),
    }
    with timed("ranking"):
        table = {
            protocol: {
                name: ranking.quality(data, scorer, protocol == "unheard")
                for name, scorer in models.items()
            }
            for protocol in ("unheard", "all")
        }
    report = json.dumps(_report(manifest, days, table), indent=1).encode()
    key = names.report_key(generation)
    Objects(settings).put(settings.lake_bucket, key, report, "application/json")
    return table


def _read(
    spark: SparkSession, settings: Settings, manifest: Manifest, days: int
) -> tuple[Holdout, Floats, Floats]:
    start, as_of, end = manifest.window_start, manifest.as_of, manifest.as_of + timedelta(days)
    # The window as the training saw it; the days after it as they are known by now.
    logs = lake.read_logs(spark, settings, start, as_of, manifest.lake_version)
    train = window.plays_per_pair(window.plays_between(logs, start, as_of)).cache()
    later = lake.read_logs(spark, settings, as_of, end)
    test = window.plays_per_pair(window.plays_between(later, as_of, end)).cache()
    users = holdout.judged_users(train, test).cache()

    generation = manifest.generation
    user_path, item_path = names.user_factors_path(generation), names.item_factors_path(generation)
    of_users = lake.read_factors(spark, lake.url(settings, user_path))
    of_items = lake.read_factors(spark, lake.url(settings, item_path))
    user_ids, user_matrix = lake.collect_factors(holdout.of_users(of_users, users, "id"))
    # Songs in the order of a hash: that of their ids could tell what was played together.
    item_ids, item_matrix = lake.collect_factors(of_items.orderBy(F.xxhash64("id")))
    data = ranking.holdout(
        user_ids,
        item_ids,
        holdout.plays_per_song(train).toPandas().set_index("track_id")["plays"],
        holdout.of_users(train, users).toPandas(),
        holdout.of_users(test, users).toPandas(),
    )
    return data, user_matrix, item_matrix


def _report(manifest: Manifest, days: int, table: Table) -> dict[str, object]:
    return {
        "generation": manifest.generation,
        "as_of": manifest.as_of.isoformat(),
        "days": days,
        "created_at": datetime.now(UTC).isoformat(),
        "home": {
            protocol: {name: found.row() for name, found in models.items()}
            for protocol, models in table.items()
        },
    }


def lines(table: Table) -> list[str]:
    """Return the table as aligned lines."""
    head = f"{'songs':8}{'model':18}{'users':>7}{'R@10':>9}{'R@20':>9}{'NDCG@10':>9}"
    return [head] + [
        f"{protocol:8}{name:18}{q.users:7}{q.recall_10:9.4f}{q.recall_20:9.4f}{q.ndcg_10:9.4f}"
        for protocol, models in table.items()
        for name, q in models.items()
    ]


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, when there is no such generation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generation", type=generation_id, required=True)
    parser.add_argument("--days", type=int, default=14, help="days after the window (14)")
    args = parser.parse_args(argv)
    if args.days < 1:
        parser.error("--days must be at least 1")
    try:
        table = evaluate(load_settings(), args.generation, args.days)
    except NocturneError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    if table:
        print(*lines(table), sep="\n")
    else:
        print(
            f"evaluate: in the {args.days} days after the window of {args.generation} no listener "
            f"with at least {holdout.MIN_TRAIN_SONGS} songs in it has played: nothing to judge yet"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
