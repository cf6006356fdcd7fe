"""Repairs, reasons and the choice among duplicates, one value at a time."""

import json
from collections import Counter

import pytest

from jobs.contract.fields import names
from jobs.contract.songs import MAX_TRACK_MS, SONG
from jobs.songs.catalogue import choose_songs, song_rows
from jobs.songs.decide import kept, rejected
from jobs.songs.sources import read_source

GOOD = {"id": "t1", "title": "Creep", "artist": "Radiohead"}


@pytest.fixture
def decide(spark, tmp_path):
    """Put rows through a JSON lines file, as the job does."""

    def run(*rows, name="a.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return choose_songs(song_rows(read_source(spark, str(path), name)))

    return run


@pytest.fixture
def outcomes(decide):
    """Put one value per row into a good song; return what each became, in order."""

    def run(field, values):
        rows = [GOOD | {"id": f"t{i:03}", field: value} for i, value in enumerate(values)]
        rows = sorted(decide(*rows).collect(), key=lambda row: json.loads(row.raw)["id"])
        return [row.reason or row for row in rows]

    return run


def test_repairs_of_text(outcomes):
    values = ["  Two\t\n words ", "\ufeffMark", "\u00a0\u3000wide\u2003", "None", "👩‍🚀", "a,  b"]
    titles = [row.title for row in outcomes("title", values)]
    assert titles == ["Two words", "Mark", "wide", "None", "👩‍🚀", "a, b"]
    assert outcomes("title", ["", "  ", "\u200b", None]) == ["missing_title"] * 4


def test_ids(decide):
    ids = [" x ", "", None, "a" * 128, "a" * 129, "é" * 65, "a\u0007b", "a b"]
    rows = decide(*[{"n": n, "id": value, "title": "x"} for n, value in enumerate(ids)])
    found = [row.reason or row.track_id for row in rows.collect()]
    bad = ["bad_id"] * 3
    assert sorted(found) == sorted(["x", "missing_id", "missing_id", "a" * 128, *bad, "a b"])


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("track_length", [3.86, "3.4", "", "nan", None, 0.02], [231600, 204000, *[None] * 3, 1200]),
        ("duration_ms", [213293, "213293.0", MAX_TRACK_MS, 1], [213293, 213293, MAX_TRACK_MS, 1]),
        ("Duration (s)", [1.5], [1500]),
        ("duration_ms", [0, -5, MAX_TRACK_MS + 1, "3:45", 1e300, "Infinity"], "absurd_duration"),
        ("track_length", [1440.01, "RapCaviar", 0], "absurd_duration"),
    ],
)
def test_durations(outcomes, column, values, expected):
    found = [getattr(row, "duration_ms", row) for row in outcomes(column, values)]
    assert found == ([expected] * len(values) if isinstance(expected, str) else expected)


DATES = {
    "2023-06-02": "2023-06-02",
    "1970-04": "1970-04",
    "1969": "1969",
    " 2023/6/2 ": "2023-06-02",
    "1998.0": "1998",
    "1998-05-00": "1998-05",
    "1998-00-05": "1998",
    "2023-06-02T10:00:00Z": "2023-06-02",
    "0000": None,
    "0000-00-00": None,
    "": None,
    "NaN": None,
    "2023-02-30": "bad_date",
    "2023-13": "bad_date",
    "06/02/2023": "bad_date",
    "RapCaviar": "bad_date",
}


def test_dates(outcomes):
    found = [getattr(row, "release_date", row) for row in outcomes("release_date", DATES)]
    assert dict(zip(DATES, found, strict=True)) == DATES


def test_artists_addresses_and_genres(outcomes):
    many = ["A", ["A", "B"], "['A', \"B's\"]", "[Untitled]"]
    artists = [row.artist for row in outcomes("artist", many[:1] + many[2:])]
    assert artists == ["A", "A, B's", "[Untitled]"]
    assert [row.artist for row in outcomes("artists", [["A", "B"]])] == ["A, B"]
    genres = [row.genre for row in outcomes("artist_genres", ["New Wave, Rock", "K-Pop", ""])]
    assert genres == ["new wave", "k-pop", None]
    urls = [row.url for row in outcomes("url", ["https://a.b/c", "javascript:alert(1)", "x"])]
    assert urls == ["https://a.b/c", None, None]


def test_an_artist_without_an_id_gets_one_from_the_name(outcomes):
    ids = [row.artist_id for row in outcomes("artist", ["The Cure", " the  CURE", "Blur", None])]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].startswith("name-")
    assert ids[3] is None


def test_the_first_known_column_counts_for_the_whole_file(decide):
    row = {"id": "17", "Track_ID": "real", "name": "n", "track_name": "t"}
    songs = kept(decide(row, row | {"Track_ID": ""}), SONG).collect()
    assert [(song.track_id, song.title) for song in songs] == [("real", "t")]


EXACT = {"title": "A", "duration_ms": 213293}
MINUTES = {"title": "A", "track_length": 3.55}
PAIRS = {
    "a length in milliseconds": (EXACT, MINUTES),
    "more fields, before an exact length": (MINUTES | {"genre": "rock"}, EXACT),
    "a longer date": (EXACT | {"release_date": "1992-09"}, EXACT | {"release_date": "1992"}),
    "the first in the alphabet": (EXACT, EXACT | {"title": "B"}),
    "one that can be used": (EXACT | {"title": "Z"}, EXACT | {"title": "", "genre": "rock"}),
}


@pytest.mark.parametrize("better_first", [True, False])
def test_the_better_row_wins_wherever_it_stands(spark, tmp_path, better_first):
    for name, place in (("1.jsonl", 0), ("2.jsonl", 1)):
        rows = [{"id": k} | pair[place if better_first else 1 - place] for k, pair in PAIRS.items()]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = (
        song_rows(read_source(spark, str(tmp_path / name), name)) for name in ("1.jsonl", "2.jsonl")
    )
    decided = choose_songs(first.unionByName(second).repartition(3)).collect()
    kept_rows = [json.loads(row.raw) for row in decided if row.reason is None]
    winners = {row["id"]: {k: v for k, v in row.items() if k != "id" and v} for row in kept_rows}
    assert winners == {
        key: {field: str(value) for field, value in better.items()}
        for key, (better, _) in PAIRS.items()
    }
    reasons = Counter(row.reason for row in decided)
    assert reasons == {None: 5, "duplicate_of_better_row": 4, "missing_title": 1}


def test_equal_rows_and_unreadable_ones_are_counted_too(decide):
    decided = decide(GOOD, GOOD, {}, {"id": "t2"})
    assert kept(decided, SONG).columns == names(SONG)
    assert sorted(row.reason for row in rejected(decided).collect()) == [
        "duplicate_of_better_row",
        "missing_id",
        "missing_title",
    ]
