"""Measure a generation before it may be published, beside the live one and the baselines.

The last days of the window are held back: the generation's recipe, as train_als has trained it on
the plays before them, is asked what was played in them. So is the recipe of the live generation, on
its own window; both answer the same questions. The vectors that would be published are checked
apart from that: their numbers, and that they know the plays they were trained on. Prints a table
and writes report.json and report.html to `models/<generation>/`. See gate.py for the verdict.
"""

import argparse
import json
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.contract import names
from jobs.contract.errors import NocturneError
from jobs.contract.generations import Manifest, generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.phases import phase
from jobs.reporting.evaluation import evaluation_html
from jobs.session import spark_session
from jobs.stores import lake, parts
from jobs.stores.documents import Documents
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest
from jobs.stores.objects import Objects
from jobs.training import assessment, checks, window
from jobs.training.als import Factors, Vectors
from jobs.training.contestant import Answers
from jobs.training.exam import Exam, set_exam
from jobs.training.metrics import mean_of, per_listener
from jobs.training.recipe import Recipe
from jobs.training.tables import lines
from jobs.training.trial import home_lists, neighbour_pairs, try_recipe

timed = partial(phase, "evaluate")


@dataclass(frozen=True)
class Side:
    """A generation in the comparison, and the plays of its window before the split."""

    manifest: Manifest
    plays: DataFrame
    note: str | None = None


def evaluate(settings: Settings, generation: str) -> dict[str, Any]:
    """Judge one generation, write its report and return it."""
    manifest = read_manifest(settings, generation)
    live = live_manifest(settings, generation)
    spark = spark_session(settings, f"evaluate {generation}")
    try:
        report = _report(spark, settings, manifest, live)
    finally:
        spark.stop()
    objects = Objects(settings)
    for key, body, kind in (
        (names.report_key(generation), json.dumps(report, indent=1), "application/json"),
        (names.report_page_key(generation), evaluation_html(report), "text/html; charset=utf-8"),
    ):
        objects.put(settings.lake_bucket, key, body.encode(), kind)
    return report


def live_manifest(settings: Settings, generation: str) -> Manifest | None:
    """Return the manifest of the live generation, unless there is none or it is this one."""
    with closing(Generations(settings)) as generations:
        live = generations.live().generation
    return read_manifest(settings, live) if live and live != generation else None


def _report(
    spark: SparkSession, settings: Settings, manifest: Manifest, live: Manifest | None
) -> dict[str, Any]:
    split = manifest.as_of - timedelta(days=settings.test_days)
    with timed(settings, "reading and asking"):
        candidate = _side(spark, settings, manifest, split)
        other = _side(spark, settings, live, split) if live else None
        exam = _exam(spark, settings, [s for s in (candidate, other) if s], split)
    with timed(settings, "training without the last days"):
        songs = _songs_before(settings, manifest, split)
        answers = _answers(exam, candidate, other, settings.session_user_weight, songs)
    with timed(settings, "baselines"):
        days = int(manifest.params["window_days"])
        baselines = assessment.baseline_answers(exam, days)
    with timed(settings, "comparing"):
        found = assessment.report(exam, answers | baselines, settings.seed)
        found |= _comparisons(exam, answers, baselines[names.popularity(days)], settings.seed)
        found["factors"] = _factors(spark, settings, manifest, exam)
    return {
        "generation": manifest.generation,
        "as_of": manifest.as_of.isoformat(),
        "params": manifest.params,
        "live": live.generation if live else None,
        "notes": [side.note for side in (candidate, other) if side and side.note],
        "created_at": datetime.now(UTC).isoformat(),
        **found,
    }


def _side(spark: SparkSession, settings: Settings, manifest: Manifest, split: date) -> Side:
    """Return the plays of a generation's window before the split, as its training saw them."""
    start, end, version = manifest.window_start, min(manifest.as_of, split), manifest.lake_version
    note = None
    if lake.is_vacuumed(spark, settings, names.RAW_LOGS, version):
        note = (
            f"version {version} of {names.RAW_LOGS}, on which {manifest.generation} was trained, "
            "has been vacuumed: its window is read as it is now"
        )
        print(f"evaluate: {note}", flush=True)
    logs = lake.read_logs(spark, settings, start, end, None if note else version)
    return Side(manifest, window.plays_between(logs, start, end).cache(), note)


def _exam(spark: SparkSession, settings: Settings, sides: list[Side], split: date) -> Exam:
    """Ask about what either side knows: a play that the candidate's window lacks is asked, too."""
    end = sides[0].manifest.as_of
    train = sides[0].plays
    logs = lake.read_logs(spark, settings, split, end)
    test = window.plays_between(logs, split, end)
    for side in sides[1:]:
        train = train.unionByName(side.plays).distinct()
        if side.note is None:
            version = side.manifest.lake_version
            seen = lake.read_logs(spark, settings, split, end, version)
            test = test.unionByName(window.plays_between(seen, split, end)).distinct()
    with closing(Documents(settings)) as documents:
        artists = documents.artists()
    return set_exam(train, test, artists, split, end)


def _songs_before(settings: Settings, manifest: Manifest, split: date) -> Vectors | None:
    """Return the songs' vectors of the candidate's own training without the last days."""
    if manifest.split != split:
        return None
    return parts.factors(settings, names.split_factors_path(manifest.generation))


def _answers(
    exam: Exam, candidate: Side, other: Side | None, weight: float, songs: Vectors | None
) -> dict[str, Answers]:
    """Let both recipes sit the exam; the same one on the same plays is not trained twice.

    The candidate's was trained already where there are `songs`: they may go on from another
    night, so what they answer is what is asked about.
    """
    found: dict[str, Answers] = {}
    done: dict[tuple[Recipe, tuple[int, ...]], Answers] = {}
    for name, side in (("candidate", candidate), ("live", other)):
        if side is None or side.plays.isEmpty():
            continue
        recipe = Recipe.of(side.manifest.params)
        key = (recipe, window.fingerprint(side.plays))
        if key not in done:
            pairs = neighbour_pairs(side.plays, recipe)
            known = songs if side is candidate else None
            done[key] = try_recipe(exam, side.plays, recipe, pairs, weight, known)
        found[name] = done[key]
    return found


def _comparisons(
    exam: Exam, answers: dict[str, Answers], popularity: Answers, seed: int
) -> dict[str, Any]:
    candidate = answers.get("candidate")
    if candidate is None:
        return {}
    found = {"against_popularity": assessment.compare(exam, candidate, popularity, seed)}
    if "live" in answers:
        found["against_live"] = assessment.compare(exam, candidate, answers["live"], seed)
    return found


def _factors(
    spark: SparkSession, settings: Settings, manifest: Manifest, exam: Exam
) -> dict[str, Any]:
    """Check the vectors themselves: rows, numbers, and how well they know their own window."""
    generation, rank = manifest.generation, int(manifest.params["rank"])
    paths = (names.user_factors_path(generation), names.item_factors_path(generation))
    users, items = (lake.read_part(spark, lake.url(settings, path)) for path in paths)
    found: dict[str, Any] = {}
    for kind, factors in (("users", users), ("items", items)):
        summary = checks.factor_summary(factors, rank).first()
        found[kind] = {"rows": summary.rows, "bad": summary.bad, "norm": summary.norm}
    if all(found[kind]["rows"] and not found[kind]["bad"] for kind in found):
        heard = exam.heard_songs()
        found["window_recall_20"] = {
            name: mean_of(per_listener(lists, heard)["recall_20"], exam.rows(), settings.seed).mean
            for name, lists in home_lists(exam, Factors(users, items)).items()
        }
    return found


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, when there is no such generation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generation", type=generation_id, required=True)
    parser.add_argument("--test-days", type=int, help="in place of the setting NOCTURNE_TEST_DAYS")
    given = parser.parse_args(argv)
    try:
        report = evaluate(load_settings(test_days=given.test_days), given.generation)
    except NocturneError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    print(*lines(report), sep="\n")
    print(
        f"evaluate: its page: {names.report_page_key(given.generation)} in the lake, "
        f"/nocturne/reports/{given.generation} in Airflow"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
