"""The parts of a generation in the lake: made from the plays, written, read again and checked."""

from collections.abc import Mapping
from datetime import date
from functools import partial

from pyspark.sql import DataFrame

from jobs.contract import names
from jobs.contract.generations import Norms
from jobs.contract.settings import Settings
from jobs.phases import phase
from jobs.stores import lake
from jobs.training import checks
from jobs.training.als import Factors
from jobs.training.lists import nightly_lists, own_plays
from jobs.training.neighbours import song_neighbours
from jobs.training.recipe import Recipe, fit
from jobs.training.sessions import in_sessions

timed = partial(phase, "train_als")


def write_factors(
    settings: Settings, generation: str, plays: DataFrame, as_of: date, found: Mapping[str, int]
) -> Norms:
    """Fit, write and check the factors; return their norms.

    `found` says how many users and items the window has; raises BadModel where there are not as
    many sound vectors.
    """
    with timed(settings, "training"):
        factors = fit(plays, as_of, Recipe.of(settings))
    norms = {}
    with timed(settings, "writing and checking"):
        for kind, path, frame in (
            ("users", names.user_factors_path(generation), factors.users),
            ("items", names.item_factors_path(generation), factors.items),
        ):
            lake.write_part(frame, lake.url(settings, path))
            written = lake.read_part(plays.sparkSession, lake.url(settings, path))
            summary = checks.factor_summary(written, settings.rank).first()
            checks.require_sound(kind, summary.rows, summary.bad, found[kind])
            norms[kind] = summary.norm
    return Norms(**norms)


def write_lists(
    settings: Settings, generation: str, plays: DataFrame, pairs: DataFrame
) -> dict[str, int]:
    """Write session neighbours and listeners' lists; return how many rows each part has.

    The factors must be written. `plays` and `pairs` are those of the window, weighed as they
    trained the factors.
    """
    spark = plays.sparkSession
    paths = (names.user_factors_path(generation), names.item_factors_path(generation))
    users, items = (lake.read_part(spark, lake.url(settings, path)) for path in paths)
    parts = {
        "neighbours": (
            names.neighbours_path(generation),
            song_neighbours(in_sessions(plays), settings.neighbours),
        ),
        "lists": (
            names.lists_path(generation),
            nightly_lists(Factors(users, items), pairs, settings.list_songs).join(
                own_plays(pairs), "id", "left"
            ),
        ),
    }
    rows = {}
    for name, (path, frame) in parts.items():
        with timed(settings, name):
            lake.write_part(frame, lake.url(settings, path))
        rows[name] = lake.read_part(spark, lake.url(settings, path)).count()
    return rows
