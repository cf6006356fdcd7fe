"""Catalogue files in landing/songs/ -> master/songs and MongoDB's songs.

Reads every file there: .csv, .psv (pipes), .tsv, .json, .jsonl and .ndjson (one object a line),
.parquet; text also as .gz or .bz2. Every row ends in master/songs or, with its reason, in
master/songs_rejected. A second run over the same files changes nothing, and counts of plays
are never written. The rules are in jobs/songs/catalogue.py.
"""

import sys
from collections.abc import Sequence

from jobs.contract.names import LANDING_SONGS, MASTER_SONGS, MASTER_SONGS_REJECTED
from jobs.contract.songs import SONG
from jobs.master_list import MasterList, run
from jobs.songs.catalogue import choose_songs, song_rows
from jobs.stores.documents import Documents

SONG_LIST = MasterList(
    job="etl_master_data",
    name="songs",
    landing=LANDING_SONGS,
    master=MASTER_SONGS,
    rejected=MASTER_SONGS_REJECTED,
    fields=SONG,
    rows=song_rows,
    choose=choose_songs,
    upsert=Documents.upsert_songs,
    needed=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, without a file or a row that can be used."""
    return run(SONG_LIST, argv, __doc__)


if __name__ == "__main__":
    sys.exit(main())
