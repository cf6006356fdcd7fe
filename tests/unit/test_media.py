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
from jobs.simulate.audio import CLIP_SECONDS, PEAK, SAMPLE_RATE, STYLES, make_clip, render
from jobs.simulate.catalogue import GENRES
from jobs.simulate.covers import PALETTES, initials, make_cover

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


def test_a_clip_is_a_short_quiet_mono_mp3():
    samples, rate = soundfile.read(io.BytesIO(make_clip("song-1", "jazz")))
    assert rate == SAMPLE_RATE
    assert samples.ndim == 1
    assert len(samples) / rate == pytest.approx(CLIP_SECONDS, abs=0.1)
    assert 0.5 * PEAK < np.abs(samples).max() < 1.3 * PEAK
    assert np.sqrt(np.mean(samples**2)) > 0.01


def test_a_clip_starts_and_ends_in_silence():
    samples = render("song-1", "rock")
    assert np.abs(samples[:10]).max() < 0.01
    assert np.abs(samples[-10:]).max() < 0.01


def test_the_same_song_has_the_same_clip_and_another_song_another():
    assert make_clip("song-1", "folk") == make_clip("song-1", "folk")
    assert make_clip("song-1", "folk") != make_clip("song-2", "folk")


def test_genres_sound_different():
    """One song id, so the same key and chords: scale and timbre alone make the difference."""

    def spectrum(genre):
        power = np.abs(np.fft.rfft(render("song-1", genre)))[: int(4000 * CLIP_SECONDS)]
        bands = power.reshape(400, -1).sum(axis=1)
        return bands / np.linalg.norm(bands)

    spectra = {genre: spectrum(genre) for genre in GENRES}
    alike = max(spectra[a] @ spectra[b] for a, b in combinations(GENRES, 2))
    assert alike < 0.985


@pytest.mark.parametrize("genre", [None, "", "k-pop"])
def test_unknown_genres_have_media_too(genre):
    assert np.abs(render("song-1", genre)).max() == pytest.approx(PEAK, rel=1e-3)
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
