"""Songs as sources have them -> songs as Nocturne has them.

A row is rejected, with the first reason that holds, when it does not fit its file
(`unreadable_row`), has no id (`missing_id`) or one that is too long or has control characters
(`bad_id`), has no title (`missing_title`), has a length that is no number, not above zero or
above 24 hours (`absurd_duration`; none at all is allowed), or has a release date that cannot be
read (`bad_date`; none, or zeros, is allowed), or when another row of its id is better
(`duplicate_of_better_row`). All else is repaired: jobs/songs/repair.py.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.contract.songs import MAX_TRACK_MS, SONG
from jobs.songs.columns import SONG_COLUMNS, mapped
from jobs.songs.decide import first_reason, one_per_id
from jobs.songs.repair import (
    first_genre,
    identifier,
    is_bad_id,
    names_in,
    release_date,
    says_no_date,
    text,
    web_address,
)

IDS = ("track_id", "artist_id")
MS_PER_UNIT = {"milliseconds": 1, "seconds": 1_000, "minutes": 60_000}
HAS_EXACT_LENGTH = "has_exact_length"


def song_rows(source: DataFrame) -> DataFrame:
    """Return one row per source row of one file: repaired, or with the reason against it."""
    # In steps, so that Spark evaluates only once what a later step uses several times.
    given = mapped(source, SONG_COLUMNS)
    words = given.withColumns(
        {f: identifier(F.col(f)) if f in IDS else text(F.col(f)) for f in SONG_COLUMNS}
    )
    songs = words.withColumns(
        {
            "artist": names_in(F.col("artist")),
            "genre": first_genre(F.col("genre")),
            "length": _milliseconds(),
            "date_as_written": F.col("release_date"),
            "release_date": release_date(F.col("release_date")),
            "image_url": web_address(F.col("image_url")),
            "url": web_address(F.col("url")),
        }
    )
    return songs.select(
        *[f.name for f in SONG if f.name != "duration_ms"],
        F.col("length").try_cast("int").alias("duration_ms"),
        F.col("milliseconds").isNotNull().alias(HAS_EXACT_LENGTH),
        _reason().alias("reason"),
        "raw",
        "source_file",
    )


def choose_songs(rows: DataFrame) -> DataFrame:
    """Keep the best row per track id among `song_rows` of every file.

    Of equally full rows, a length that came in milliseconds beats one rounded to hundredths
    of a minute, and then a longer release date a shorter one.
    """
    exactness = [F.col(HAS_EXACT_LENGTH), F.length("release_date")]
    chosen = one_per_id(rows, SONG, exactness)
    artist_id = F.coalesce("artist_id", _id_of_name("artist"))
    return chosen.withColumn("artist_id", artist_id).drop(HAS_EXACT_LENGTH)


def _milliseconds() -> Column:
    """Return the length in whole milliseconds, -1 for text that is no number; null for none."""
    lengths = []
    for unit, ms in MS_PER_UNIT.items():
        number = F.coalesce(F.col(unit).try_cast("double"), F.lit(-1.0))
        given = F.col(unit).isNotNull() & ~F.isnan(number)  # NaN is how pandas writes none
        lengths.append(F.when(given, F.round(number * ms)))
    return F.coalesce(*lengths)


def _reason() -> Column:
    written, track_id = F.col("date_as_written"), F.col("track_id")
    return first_reason(
        [
            ("unreadable_row", F.col("unreadable").isNotNull()),
            ("missing_id", track_id.isNull()),
            ("bad_id", is_bad_id(track_id)),
            ("missing_title", F.col("title").isNull()),
            ("absurd_duration", ~F.col("length").between(1, MAX_TRACK_MS)),
            ("bad_date", F.col("release_date").isNull() & ~says_no_date(written)),
        ]
    )


def _id_of_name(name: str) -> Column:
    """Return an id made of the name alone, so that songs of one artist stay together.

    The same name always gives the same id, in any case and any file; null without a name.
    """
    return F.concat(F.lit("name-"), F.md5(F.lower(name)))
