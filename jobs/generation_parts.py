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
from jobs.training.neighbours import session_vectors, song_neighbours
from jobs.training.night import Night, Start, fit_night
from jobs.training.recipe import Recipe
from jobs.training.sessions import in_sessions

timed = partial(phase, "train_als")


def fit_factors(
    settings: Settings, plays: DataFrame, as_of: date, split: date, start: Start | None
) -> Night:
    """Fit the factors of a night, and those without the days from `split` on."""
    with timed(settings, "training"):
        return fit_night(plays, as_of, split, Recipe.of(settings), start)


def write_factors(
    settings: Settings, generation: str, night: Night, found: Mapping[str, int]
) -> Norms:
    """Write and check the factors; return their norms.

    `found` says how many users and items the window has; raises BadModel where there are not as
    many sound vectors.
    """
    factors, norms = night.factors, {}
    with timed(settings, "writing and checking"):
        if night.before_split is not None:
            path = names.split_factors_path(generation)
            lake.write_part(night.before_split, lake.url(settings, path))
        for kind, path, frame in (
            ("users", names.user_factors_path(generation), factors.users),
            ("items", names.item_factors_path(generation), factors.items),
        ):
            lake.write_part(frame, lake.url(settings, path))
            written = lake.read_part(frame.sparkSession, lake.url(settings, path))
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
    sessions = in_sessions(plays)
    with timed(settings, "session vectors"):
        vectors = session_vectors(sessions, Recipe.of(settings))
    parts = {
        "neighbours": (
            names.neighbours_path(generation),
            song_neighbours(sessions, vectors, settings.neighbours),
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
