"""Generated media: clips that play and differ by genre, covers that are XML for any title."""

import io
import json
from itertools import combinations
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import soundfile

from jobs.contract.errors import BadInput
from jobs.make_media import read_songs
from jobs.simulate.audio import MELODIES, PEAK, PIECES, STYLES, make_clip, render, style_of
from jobs.simulate.catalogue import GENRES
from jobs.simulate.covers import PALETTES, initials, make_cover
from jobs.simulate.mp3 import FRAME_BYTES, FRAME_SAMPLES, FRAME_SECONDS, SAMPLE_RATE, encode

HOSTILE = [
    "</svg><script>alert(1)</script>",
    "Rock & Roll <3 \"quoted\" 'twice'",
    "]]> \x00\x07\x1b \ud800 \ufffe",
    "夜に駆ける 🎵",
    "x" * 500,
    " ",
]


def test_every_genre_has_a_sound_and_colours():
    assert set(STYLES) == set(PALETTES) == set(GENRES)


def heard(body):
    samples, rate = soundfile.read(io.BytesIO(body), dtype="float32")
    assert rate == SAMPLE_RATE
    return samples


@pytest.mark.parametrize("seconds", [2, 3, 35, 180])
def test_a_clip_is_a_quiet_mono_mp3_of_the_length_that_was_asked_for(seconds):
    samples = heard(make_clip("song-1", "jazz", seconds))
    assert samples.ndim == 1
    assert len(samples) / SAMPLE_RATE == pytest.approx(seconds, abs=FRAME_SECONDS)
    assert 0.5 * PEAK < np.abs(samples).max() < 1.3 * PEAK
    assert np.sqrt(np.mean(samples**2)) > 0.01


@pytest.mark.parametrize("seconds", [3, 35])
def test_a_clip_starts_and_ends_in_silence(seconds):
    samples = heard(make_clip("song-1", "rock", seconds))
    assert np.abs(samples[:10]).max() < 0.01
    assert np.abs(samples[-SAMPLE_RATE // 20 :]).max() < 0.01
    assert np.abs(samples[-2 * SAMPLE_RATE : -SAMPLE_RATE]).max() > 0.1


def test_the_frames_of_a_clip_have_one_length():
    """What is joined and faded by the byte must be frames, from the first to the last."""
    body = make_clip("song-1", "house", 12)
    heads = [body[at : at + 3] for at in range(0, len(body), FRAME_BYTES)]
    assert set(heads) == {body[:3]}
    assert len(heads) * FRAME_SECONDS == pytest.approx(12, abs=FRAME_SECONDS)


def test_joined_encodings_sound_as_each_of_them_does():
    loops = [render("techno", 0, half, 0) for half in (0, 1)]
    first, second = (encode(loop) for loop in loops)
    both, alone = heard(first + second), heard(second)
    behind = both[len(loops[0]) :]
    # Around the joint the end of the first is still heard.
    assert behind[2 * FRAME_SAMPLES :] == pytest.approx(alone[2 * FRAME_SAMPLES :], abs=0.01)


def test_no_loop_is_encoded_that_is_no_whole_number_of_frames():
    with pytest.raises(ValueError, match="577 samples"):
        encode(np.zeros(577, dtype=np.float32))


def test_the_same_song_has_the_same_clip_and_most_others_have_another():
    assert make_clip("song-1", "folk") == make_clip("song-1", "folk")
    assert len({make_clip(f"song-{n}", "folk") for n in range(100)}) > 90


def test_genres_sound_different():
    def spectrum(genre):
        loops = [render(genre, piece, 0, 0) for piece in range(PIECES)]
        power = sum(np.abs(np.fft.rfft(loop, 8 * SAMPLE_RATE)) for loop in loops)[: 8 * 4000]
        bands = power.reshape(400, -1).sum(axis=1)
        return bands / np.linalg.norm(bands)

    spectra = {genre: spectrum(genre) for genre in GENRES}
    alike = max(spectra[a] @ spectra[b] for a, b in combinations(GENRES, 2))
    assert alike < 0.985


def test_a_piece_has_several_melodies():
    loops = {render("indie", 0, 0, melody).tobytes() for melody in range(MELODIES)}
    assert len(loops) == MELODIES


@pytest.mark.parametrize("genre", [None, "", "k-pop"])
def test_unknown_genres_have_media_too(genre):
    assert style_of(genre) in STYLES
    assert make_clip("song-1", genre, 3) == make_clip("song-1", style_of(genre), 3)
    ET.fromstring(make_cover("song-1", "Title", None, genre))


@pytest.mark.parametrize("text", HOSTILE)
def test_covers_are_xml_for_any_text(text):
    root = ET.fromstring(make_cover("song-1", text, text, "rock"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_a_cover_shows_title_artist_and_initials():
    root = ET.fromstring(make_cover("song-1", "Rain & Snow", "The Ferries", "folk"))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["RS", "Rain & Snow", "The Ferries"]


def test_covers_differ_by_song_and_genre_and_stay_the_same():
    cover = make_cover("song-1", "Title", "Artist", "folk")
    assert cover == make_cover("song-1", "Title", "Artist", "folk")
    assert cover != make_cover("song-2", "Title", "Artist", "folk")
    assert cover != make_cover("song-1", "Title", "Artist", "rock")


@pytest.mark.parametrize(
    ("title", "letters"),
    [("Quiet River", "QR"), ("The Bell of Porto", "BP"), ("?!", "♪"), ("", "♪"), ("été", "É")],
)
def test_initials(title, letters):
    assert initials(title) == letters


def test_songs_are_read_in_order(tmp_path):
    path = tmp_path / "songs.jsonl"
    songs = [{"track_id": "b", "title": "B\u2028"}, {"track_id": "a", "title": "A"}]
    path.write_text("".join(json.dumps(song, ensure_ascii=False) + "\n" for song in songs))
    assert read_songs(path) == songs


@pytest.mark.parametrize("line", ["not json", '{"track_id": "a"}', "[]"])
def test_a_bad_song_is_named(tmp_path, line):
    path = tmp_path / "songs.jsonl"
    path.write_text(line)
    with pytest.raises(BadInput, match=r"songs\.jsonl"):
        read_songs(path)
