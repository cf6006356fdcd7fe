"""Real, messy metadata through the whole ETL: each row is a song or has a reason."""

import csv

import pytest

from jobs.contract.names import MASTER_SONGS, MASTER_SONGS_REJECTED, SONGS
from tests.integration.lake import rows

FILES = {"tracks.csv": ",", "tracks_ms.psv": "|"}
DISTINCT_IN_CSV = 8154


@pytest.fixture(scope="module")
def settings(stack):
    changed = {"lake_bucket": "catalogue", "mongo_db": "nocturne_catalogue"}
    settings = stack.settings.model_copy(update=changed)
    stack.ensure_lake(settings)
    return settings


def test_every_row_is_a_song_or_has_a_reason(stack, settings, db, shared_data):
    own = {"NOCTURNE_LAKE_BUCKET": "catalogue", "NOCTURNE_MONGO_DB": "nocturne_catalogue"}
    paths = [shared_data / "spotify-tracks" / name for name in FILES]
    inputs = [part for path in paths for part in ("--input", str(path))]
    stack.done("etl_master_data", *inputs, **own)
    source = []
    for path in paths:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            source += list(csv.DictReader(lines, delimiter=FILES[path.name]))
    songs = {song["_id"]: song for song in db.client[settings.mongo_db][SONGS].find()}
    master = rows(settings, MASTER_SONGS)
    rejected = rows(settings, MASTER_SONGS_REJECTED).to_pylist()
    assert len(master) + len(rejected) == len(source) == 9634 + 3123
    assert sorted(master["track_id"].to_pylist()) == sorted(songs)
    assert all(row["reason"] for row in rejected)
    in_csv = {row["track_id"] for row in source if "track_length" in row}
    assert len(in_csv) == DISTINCT_IN_CSV
    assert in_csv <= songs.keys()
    for row in source:
        if "track_length" in row:
            wanted, exact = float(row["track_length"]) * 60_000, False
        else:
            wanted, exact = float(row["track_duration_ms"]), row["track_id"] not in in_csv
        # A hundredth of a minute is 600 ms, so minutes are right to 300; a track of both files
        # may have either length.
        assert abs(songs[row["track_id"]]["duration_ms"] - wanted) <= (0 if exact else 301), row
