"""What a checkpoint says of offsets, in the files that Spark writes."""

import json
from types import SimpleNamespace

import pytest

from jobs.contract.settings import Settings
from jobs.stores.checkpoint import Checkpoint
from jobs.stream_listener import offsets_and_lag


@pytest.fixture
def checkpoint(tmp_path):
    found = Checkpoint(Settings(checkpoint_dir=str(tmp_path), kafka_topic="t"))
    for folder in ("offsets", "commits", "sources/0"):
        (found.folder / folder).mkdir(parents=True)
    (found.folder / "metadata").write_text('{"id":"abc"}')
    (found.folder / "sources/0/0").write_text('\0v1\n{"t":{"0":5,"1":0}}')
    return found


def planned(checkpoint, batch, offsets, at=20, watermark=10):
    metadata = json.dumps({"batchWatermarkMs": watermark, "batchTimestampMs": at, "conf": {}})
    text = f"v1\n{metadata}\n{json.dumps({'t': offsets})}"
    (checkpoint.folder / f"offsets/{batch}").write_text(text)


def committed(checkpoint, batch):
    (checkpoint.folder / f"commits/{batch}").write_text("v1\n{}")
    (checkpoint.folder / f"commits/.{batch}.crc").write_text("")


def test_a_batch_reads_from_the_end_of_the_one_before(checkpoint):
    planned(checkpoint, 0, {"0": 15, "1": 3})
    assert checkpoint.plan(0).start == {0: 5, 1: 0}
    assert checkpoint.plan(0).messages() == 13
    committed(checkpoint, 0)
    planned(checkpoint, 1, {"0": 15, "1": 8, "2": 4})  # a new partition begins at 0
    assert checkpoint.plan(1).messages() == 9


def test_the_position_is_behind_what_was_committed(checkpoint):
    assert (checkpoint.next_batch(), checkpoint.position()) == (0, {0: 5, 1: 0})
    planned(checkpoint, 0, {"0": 15, "1": 3})
    assert (checkpoint.next_batch(), checkpoint.position()) == (0, {0: 5, 1: 0})
    committed(checkpoint, 0)
    assert (checkpoint.next_batch(), checkpoint.position()) == (1, {0: 15, 1: 3})


def test_a_clock_that_went_back_makes_every_row_late(checkpoint):
    planned(checkpoint, 0, {"0": 15, "1": 3}, at=10, watermark=10)
    assert checkpoint.plan(0).in_time
    planned(checkpoint, 0, {"0": 15, "1": 3}, at=9, watermark=10)
    assert not checkpoint.plan(0).in_time


def test_without_its_folder_there_is_no_checkpoint(checkpoint):
    assert checkpoint.exists()
    assert checkpoint.app_id() == "stream_plays:abc"
    checkpoint.discard()
    assert not checkpoint.exists()
    checkpoint.discard()


def test_a_repeated_batch_does_not_know_the_newest_offsets():
    source = SimpleNamespace(endOffset='{"t":{"0":5,"1":2}}', latestOffset='{"t":{"0":9,"1":2}}')
    assert offsets_and_lag(source, "t") == {
        "offsets": {"0": 5, "1": 2},
        "lag": {"0": 4, "1": 0},
    }
    source.latestOffset = "None"
    assert offsets_and_lag(source, "t") == {"offsets": {"0": 5, "1": 2}}
