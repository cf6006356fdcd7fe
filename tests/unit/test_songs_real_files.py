"""Two real, messy catalogues, against Python's own reading of them."""

import csv
import json
from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from jobs.contract.fields import names
from jobs.contract.songs import REJECTED, SONG
from jobs.songs.catalogue import choose_songs, song_rows
from jobs.songs.columns import RAW
from jobs.songs.decide import account, kept, rejected
from jobs.songs.sources import read_source

MINUTES, MILLIS = "tracks.csv", "tracks_ms.psv"
DELIMITERS = {MINUTES: ",", MILLIS: "|"}


@pytest.fixture(scope="module")
def by_python(shared_data):
    def rows(name):
        with (shared_data / "spotify-tracks" / name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter=DELIMITERS[name]))

    return {name: rows(name) for name in DELIMITERS}


@pytest.fixture(scope="module")
def read(spark, shared_data):
    folder = shared_data / "spotify-tracks"
    return {name: read_source(spark, str(folder / name), name) for name in DELIMITERS}


@pytest.fixture(scope="module")
def decided(read):
    rows = [song_rows(source) for source in read.values()]
    return choose_songs(rows[0].unionByName(rows[1])).cache()


@pytest.fixture(scope="module")
def songs(decided):
    return {row.track_id: row for row in kept(decided, SONG).collect()}


@pytest.mark.parametrize("name", DELIMITERS)
def test_every_cell_is_read_as_python_reads_it(read, by_python, name):
    cells = [json.loads(row[RAW]) for row in read[name].select(RAW).collect()]
    ours = Counter(tuple(value or "" for value in cell.values()) for cell in cells)
    assert ours == Counter(tuple(row.values()) for row in by_python[name])


def test_every_row_is_a_song_or_rejected_with_its_reason(decided, songs, by_python):
    counts = {(row.source_file, row.reason): row.rows for row in account(decided).collect()}
    read = Counter()
    for (source_file, _), rows in counts.items():
        read[source_file] += rows
    assert read == {MINUTES: 9634, MILLIS: 3123}
    assert {reason for _, reason in counts} == {None, "duplicate_of_better_row"}

    ids = {name: {row["track_id"] for row in rows} for name, rows in by_python.items()}
    assert len(ids[MINUTES]) == 8154
    assert set(songs) == ids[MINUTES] | ids[MILLIS]
    refused = rejected(decided)
    assert refused.columns == names(REJECTED)
    assert refused.count() == 9634 + 3123 - len(songs)


def test_each_file_alone_is_accounted_for(read):
    for name, distinct in ((MINUTES, 8154), (MILLIS, 3123)):
        chosen = choose_songs(song_rows(read[name]))
        counts = {row.reason: row.rows for row in account(chosen).collect()}
        assert counts.pop(None) == distinct
        assert sum(counts.values()) == read[name].count() - distinct


def test_durations_are_right_in_milliseconds(songs, by_python):
    minutes = {r["track_id"]: Decimal(r["track_length"]) for r in by_python[MINUTES]}
    millis = {r["track_id"]: int(r["track_duration_ms"]) for r in by_python[MILLIS]}
    in_both = minutes.keys() & millis.keys()
    assert len(in_both) == 156
    # Hundredths of a minute are 600 ms wide: either source is within half of that.
    assert max(abs(minutes[track] * 60_000 - millis[track]) for track in in_both) <= 300

    only_minutes = minutes.keys() - millis.keys()
    assert all(songs[track].duration_ms == minutes[track] * 60_000 for track in only_minutes)
    assert all(songs[track].duration_ms == millis[track] for track in millis.keys() - in_both)
    assert all(abs(songs[track].duration_ms - millis[track]) <= 300 for track in in_both)


def test_what_people_see_is_what_a_source_says(songs, by_python):
    titles, dates = {}, {}
    for name, day in ((MINUTES, "release_date"), (MILLIS, "album_release_date")):
        for row in by_python[name]:
            titles.setdefault(row["track_id"], set()).add(" ".join(row["track_name"].split()))
            dates.setdefault(row["track_id"], set()).add(row[day])
    assert all(song.title in titles[track] for track, song in songs.items())
    assert all(song.release_date in dates[track] for track, song in songs.items())
    assert all(date.fromisoformat((s.release_date + "-01-01")[:10]) for s in songs.values())
    assert all(song.artist and song.artist_id for song in songs.values())
    assert any(song.artist == "NONE" for song in songs.values())  # an artist, not a blank
    assert {song.genre for song in songs.values()} >= {"k-pop", "dance/electronic", "new wave"}
