"""Object keys of songs: one for each id, whatever is in it, and none that leads elsewhere."""

import pytest

from jobs.contract.events import MAX_ID_LENGTH
from jobs.contract.names import audio_key, cover_key

ODD = [
    "../../x",
    "a/b",
    "a%2Fb",
    ".",
    "..",
    "a b?#&",
    "夜" * 42,
    "\ud800",
    "=",
    "x" * MAX_ID_LENGTH,
]


def test_a_plain_id_is_its_own_name():
    assert audio_key("song-00001") == "audio/song-00001.mp3"
    assert cover_key("song-00001") == "covers/song-00001.svg"


@pytest.mark.parametrize("track_id", ODD)
@pytest.mark.parametrize("key", [audio_key, cover_key])
def test_any_id_has_a_key_right_below_its_folder(key, track_id):
    folder, name = key(track_id).split("/")
    assert folder in ("audio", "covers")
    assert name.isascii()
    assert not set(name) & set(" ?#&\\")
    assert name not in (".", "..")
    assert len(name) < 255


def test_no_two_ids_share_a_key():
    ids = [*ODD, "夜" * 41 + "a", "=x", "a%2fb", "A/B"]
    assert len({audio_key(track_id) for track_id in ids}) == len(ids)
