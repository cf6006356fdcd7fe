"""The simulated catalogue: as the contract has it, Zipf-like, new songs in the window."""

from datetime import date

import numpy as np
import pytest

from jobs.contract.fields import names
from jobs.contract.songs import SONG
from jobs.simulate.catalogue import ERAS, GENRES, era_of_year
from jobs.simulate.world import WorldArguments, make_world

UNTIL = date(2026, 11, 22)
ARGUMENTS = WorldArguments(days=100, until=UNTIL, listeners=50, songs=2400, seed=7)


@pytest.fixture(scope="module")
def catalogue():
    return make_world(ARGUMENTS).catalogue


def test_rows_follow_the_contract(catalogue):
    rows = catalogue.rows()
    assert all(list(row) == names(SONG) for row in rows)
    required = [field.name for field in SONG if not field.nullable]
    assert all(row[name] for row in rows for name in required)
    assert len({row["track_id"] for row in rows}) == 2400
    assert len({row["title"] for row in rows}) == 2400
    assert len({row["artist_id"] for row in rows}) >= 200
    assert {row["genre"] for row in rows} == set(GENRES)
    assert all(120_000 <= row["duration_ms"] <= 330_000 for row in rows)


def test_an_artist_has_one_name_and_an_album_one_artist(catalogue):
    rows = catalogue.rows()
    assert len({(row["artist_id"], row["artist"]) for row in rows}) == len(
        {row["artist_id"] for row in rows}
    )
    assert len({(row["album"], row["artist"]) for row in rows}) == len({r["album"] for r in rows})


def test_popularity_is_zipf_like(catalogue):
    share = np.sort(catalogue.popularity)[::-1]
    rank = np.arange(1, len(share) + 1)
    slope = np.polyfit(np.log(rank[10:]), np.log(share[10:]), 1)[0]
    assert -1.1 < slope < -0.6
    assert share.sum() == pytest.approx(1)
    assert share[:240].sum() > 0.35


def test_the_file_starts_with_the_most_popular_songs(catalogue):
    first = catalogue.rows()[0]["track_id"]
    assert first == catalogue.track_ids[int(np.argmax(catalogue.popularity))]


def test_some_songs_come_out_in_the_window_and_none_after_it(catalogue):
    released = [date.fromisoformat(row["release_date"]) for row in catalogue.rows()]
    fresh = [day for day in released if (UNTIL - day).days <= 100]
    assert 0.03 < len(fresh) / 2400 < 0.1
    assert max(released) < UNTIL


@pytest.mark.parametrize("until", [UNTIL, date(2015, 1, 5)])
def test_the_era_is_that_of_the_release_date(until):
    arguments = WorldArguments(days=30, until=until, listeners=10, songs=500, seed=1)
    catalogue = make_world(arguments).catalogue
    years = np.array([int(row["release_date"][:4]) for row in catalogue.rows()])
    by_popularity = np.argsort(-catalogue.popularity)
    assert (catalogue.era[by_popularity] == era_of_year(years)).all()
    assert set(catalogue.era) <= set(range(len(ERAS)))


def test_names_stay_when_the_window_moves():
    later = WorldArguments(days=60, until=date(2027, 3, 1), listeners=50, songs=2400, seed=7)
    first, second = make_world(ARGUMENTS).catalogue, make_world(later).catalogue
    assert first.title == second.title
    assert (first.artist == second.artist).all()
    assert (first.duration_s == second.duration_s).all()
    assert (first.popularity == second.popularity).all()


def test_another_seed_is_another_catalogue(catalogue):
    other = make_world(WorldArguments(100, UNTIL, 50, 2400, seed=8)).catalogue
    assert other.title != catalogue.title
