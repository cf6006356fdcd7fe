"""Folders of backups: what is refused before anything is changed, and what is kept."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from jobs.contract.backups import FORMAT, MANIFEST, BackupManifest
from jobs.contract.errors import BadInput
from jobs.stores.backups import NewBackup, backups, prune, read_backup, verify, writing

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def backup(root, at=NOON):
    new = NewBackup(root, at)
    new.file("mongo/songs.bson").write_bytes(b"songs")
    new.add("mongo/songs.bson", 1)
    said = {"code_version": "abc", "live": None, "published_at": None, "fence": 0, "lake": {}}
    new.finish(BackupManifest(created_at=at, ended_at=at, parts=new.parts, **said))
    return new.folder


def test_a_whole_backup_is_read_as_it_was_written(tmp_path):
    folder = backup(tmp_path)
    manifest = read_backup(folder)
    verify(folder, manifest)
    assert (manifest.format, manifest.created_at) == (FORMAT, NOON)
    assert manifest.parts["mongo/songs.bson"].items == 1
    assert [folder] == backups(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda f: (f / "mongo/songs.bson").write_bytes(b"sonGs"), "songs.bson has other bytes"),
        (lambda f: (f / "mongo/songs.bson").write_bytes(b"song"), "songs.bson has other bytes"),
        (lambda f: (f / "mongo/songs.bson").unlink(), "songs.bson is missing"),
    ],
)
def test_a_damaged_part_is_named(tmp_path, wrong, said):
    folder = backup(tmp_path)
    wrong(folder)
    with pytest.raises(BadInput, match=said):
        verify(folder, read_backup(folder))


def test_half_a_backup_is_none_and_whole_ones_are_named(tmp_path):
    whole = backup(tmp_path)
    half = backup(tmp_path, NOON + timedelta(hours=1))
    (half / MANIFEST).unlink()
    with pytest.raises(BadInput, match=f"not finished.*Whole ones: {whole}$"):
        read_backup(half)
    with pytest.raises(BadInput, match="no whole one"):
        read_backup(tmp_path / "nowhere/20261122T120000Z")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", f'{{"format": {FORMAT}}}'])
def test_a_broken_manifest_is_refused(tmp_path, text):
    folder = backup(tmp_path)
    (folder / MANIFEST).write_text(text)
    with pytest.raises(BadInput, match="is broken"):
        read_backup(folder)


def test_a_newer_format_is_refused_whatever_else_it_says(tmp_path):
    folder = backup(tmp_path)
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT + 1, "code_version": "9.9"}))
    with pytest.raises(BadInput, match=r"newer Nocturne, 9\.9"):
        read_backup(folder)


def test_the_newest_whole_ones_stay_and_nothing_else_is_touched(tmp_path):
    old, *kept = [backup(tmp_path, NOON + timedelta(hours=n)) for n in range(3)]
    half = backup(tmp_path, NOON + timedelta(hours=9))
    (half / MANIFEST).unlink()
    (tmp_path / "letters").mkdir()
    assert prune(tmp_path, 2) == [old, half]
    assert sorted(tmp_path.iterdir()) == [*kept, tmp_path / "letters"]


def test_two_backups_are_not_written_into_one_folder_at_once(tmp_path):
    with writing(tmp_path), pytest.raises(BadInput, match="another backup"), writing(tmp_path):
        pass
