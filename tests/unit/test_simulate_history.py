"""The files of a simulated world: the same bytes each time, with tastes that explain the plays."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.contract.errors import BadInput
from jobs.simulate.catalogue import GENRES
from jobs.simulate.tastes import true_affinity
from jobs.simulate_history import FILES, MARKER, main, read_world

ARGUMENTS = ["--days", "40", "--listeners", "150", "--songs", "500", "--seed", "5"]


def write(folder, *more):
    assert main([*ARGUMENTS, "--until", "2026-11-22", "--out", str(folder), *more]) == 0
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def truth(folder):
    """Listeners, songs, plays as (row, column), and the true affinities."""
    tastes = pq.read_table(folder / "hidden_tastes.parquet")
    songs = [json.loads(line) for line in (folder / "songs.jsonl").read_text().splitlines()]
    history = pq.read_table(folder / "history.parquet")
    row = {user: at for at, user in enumerate(tastes["user_id"].to_pylist())}
    column = {song["track_id"]: at for at, song in enumerate(songs)}

    def cells(action):
        some = history.filter(pa.compute.equal(history["action"], action))
        return (
            [row[user] for user in some["user_id"].to_pylist()],
            [column[track] for track in some["track_id"].to_pylist()],
        )

    return cells, true_affinity(tastes, songs, progress=0.5)


def test_same_arguments_same_bytes(folder, tmp_path):
    assert write(tmp_path) == write(folder)


def test_another_seed_another_history(folder, tmp_path):
    other, first = write(tmp_path, "--seed", "6"), write(folder)
    assert not {name for name in FILES if other[name] == first[name]}


def test_listeners_say_what_they_like_most_and_no_more_of_their_tastes(folder):
    users = [json.loads(line) for line in (folder / "users.jsonl").read_text().splitlines()]
    tastes = pq.read_table(folder / "hidden_tastes.parquet")
    assert {frozenset(user) for user in users} == {frozenset(("user_id", "username", "likes"))}
    for user, shares in zip(users, tastes["genre_last"].to_pylist(), strict=True):
        first, second = user["likes"].split(" and ")
        best = sorted(shares, reverse=True)[:2]
        assert [shares[GENRES.index(genre)] for genre in (first, second)] == best


def test_a_world_that_is_there_is_left_alone(folder, capsys):
    before = (folder / "history.parquet").stat().st_mtime_ns
    capsys.readouterr()
    write(folder)
    assert (folder / "history.parquet").stat().st_mtime_ns == before
    assert "nothing to do" in capsys.readouterr().out


def test_without_until_the_world_that_is_there_stays(folder):
    before = (folder / MARKER).read_text()
    assert main([*ARGUMENTS, "--out", str(folder)]) == 0
    assert (folder / MARKER).read_text() == before


def test_a_lost_file_is_made_again(tmp_path):
    before = write(tmp_path)
    (tmp_path / "songs.jsonl").unlink()
    assert write(tmp_path) == before


def test_the_same_listeners_come_back_from_the_folder(folder):
    world = read_world(folder)
    users = [json.loads(line) for line in (folder / "users.jsonl").read_text().splitlines()]
    assert world.listeners.rows() == users


def test_a_folder_without_a_world_is_named(tmp_path):
    with pytest.raises(BadInput, match=str(tmp_path)):
        read_world(tmp_path)


def test_tastes_explain_who_plays_what(truth):
    """A played song is preferred to the same song's affinity for a random listener."""
    cells, affinity = truth
    rows, columns = cells("listen")
    strangers = np.random.default_rng(0).permutation(rows)
    auc = np.mean(affinity[rows, columns] > affinity[strangers, columns])
    assert auc > 0.7
    ranks = affinity.argsort(axis=1).argsort(axis=1) / affinity.shape[1]
    assert np.mean(ranks[rows, columns]) > 0.7


def test_favourite_artists_are_played_more_than_their_genre(folder, truth):
    """A play beside another play of the same genre, whoever's: only the artist explains it."""
    cells, affinity = truth
    tastes = pq.read_table(folder / "hidden_tastes.parquet")
    songs = [json.loads(line) for line in (folder / "songs.jsonl").read_text().splitlines()]
    ones = [[1.0] * len(boosts) for boosts in tastes["artist_boost"].to_pylist()]
    at = tastes.column_names.index("artist_boost")
    no_favourites = tastes.set_column(at, "artist_boost", pa.array(ones))
    boost = affinity / true_affinity(no_favourites, songs, progress=0.5)
    rows, columns = (np.array(index) for index in cells("listen"))
    genre = np.array([song["genre"] for song in songs])[columns]
    others, rng = columns.copy(), np.random.default_rng(0)
    for name in set(genre.tolist()):
        others[genre == name] = rng.permutation(columns[genre == name])
    assert boost[rows, columns].mean() > 1.08 * boost[rows, others].mean()


def test_skipped_songs_are_liked_less_than_played_ones(truth):
    cells, affinity = truth
    ranks = affinity.argsort(axis=1).argsort(axis=1) / affinity.shape[1]
    assert np.mean(ranks[cells("skip")]) < np.mean(ranks[cells("listen")]) - 0.03


def test_tastes_drift(folder):
    tastes = pq.read_table(folder / "hidden_tastes.parquet")
    first, last = (np.array(tastes[name].to_pylist()) for name in ("genre_first", "genre_last"))
    moved = np.abs(first - last).sum(axis=1) / 2
    assert 0.05 < np.median(moved) < 0.5


def test_affinity_of_some_songs_is_that_of_all(folder, truth):
    """The file and a song's own fields are enough: other songs play no part."""
    _, affinity = truth
    tastes = pq.read_table(folder / "hidden_tastes.parquet")
    songs = [json.loads(line) for line in (folder / "songs.jsonl").read_text().splitlines()]
    some = [7, 3, 450]
    alone = true_affinity(tastes, [songs[at] for at in some], progress=0.5)
    assert alone == pytest.approx(affinity[:, some])
