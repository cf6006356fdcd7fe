"""Catalogue files in `landing/songs/` -> `master/songs` and MongoDB's songs.

Every row ends in `master/songs` or, with its reason, in `master/songs_rejected`; the rules are
in jobs/songs/catalogue.py. A second run over the same files changes nothing, and counts of
plays are never written.
"""

import time
from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame

from jobs.contract.errors import BadInput
from jobs.contract.names import LANDING_SONGS, MASTER_SONGS, MASTER_SONGS_REJECTED
from jobs.contract.settings import load_settings
from jobs.contract.songs import SONG
from jobs.session import spark_session
from jobs.songs.catalogue import choose_songs, song_rows
from jobs.songs.decide import account, kept, rejected
from jobs.songs.landing import arguments, land, landed
from jobs.songs.sources import read_source
from jobs.songs.summary import lines
from jobs.stores.documents import Documents
from jobs.stores.lake import overwrite, url
from jobs.stores.objects import Objects


def main(argv: Sequence[str] | None = None) -> None:
    """Raise BadInput when there is no catalogue file, or no row of any could be used."""
    args = arguments(argv, __doc__, LANDING_SONGS)
    started = time.monotonic()
    settings = load_settings()
    bucket, objects = settings.lake_bucket, Objects(settings)
    for source in args.input:
        print(f"{source} -> {land(objects, bucket, LANDING_SONGS, source)}")
    files = landed(objects, bucket, LANDING_SONGS)
    if not files:
        raise BadInput(
            f"{bucket}/{LANDING_SONGS}/ has no catalogue file: put one there, or --input"
        )

    spark = spark_session(settings, "etl_master_data")
    sources = [song_rows(read_source(spark, url(settings, file), file)) for file in files]
    decided = choose_songs(reduce(DataFrame.unionByName, sources)).persist()
    accounts = [(row.source_file, row.reason, row.rows) for row in account(decided).collect()]
    overwrite(rejected(decided), url(settings, MASTER_SONGS_REJECTED))
    if any(reason is None for _, reason, _ in accounts):
        songs = kept(decided, SONG)
        overwrite(songs, url(settings, MASTER_SONGS))
        documents = Documents(settings)
        documents.ensure_indexes()
        documents.upsert_songs(row.asDict() for row in songs.toLocalIterator())
    print(*lines(accounts, "songs", time.monotonic() - started), sep="\n")
    if all(reason is not None for _, reason, _ in accounts):
        raise BadInput(f"no row could be used, so the songs stay: see {MASTER_SONGS_REJECTED}")


if __name__ == "__main__":
    main()
