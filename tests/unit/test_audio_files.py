"""Audio files: tags and covers of every format, ids that outlive new tags, and what is refused."""

import base64
import shutil
import struct

import numpy as np
import pytest
import soundfile
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, TALB, TCON, TDRC, TIT2, TPE1
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from jobs.contract.errors import BadInput
from jobs.import_audio import files_in, song_of
from jobs.imports.audio import read_audio, sound_hash

RATE = 44_100
JPEG = b"\xff\xd8\xff\xe0" + b"j" * 300
FORMATS = {".ogg": "OGG", ".mp3": "MP3", ".flac": "FLAC", ".wav": "WAV"}
KINDS = {
    ".ogg": "audio/ogg",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".m4a": "audio/mp4",
}
TAGS = {
    "title": "A  Song\nof two lines",
    "artist": ["Ann", "Ben"],
    "album": "Ünder",
    "genre": "Folk",
    "date": "2011-07-19",
}


def write(path, pitch=440):
    """Write three seconds of a tone."""
    if path.suffix == ".m4a":
        path.write_bytes(m4a(bytes([pitch % 256]) * 5000))
    else:
        tone = 0.2 * np.sin(2 * np.pi * pitch * np.arange(3 * RATE) / RATE)
        soundfile.write(path, tone.astype(np.float32), RATE, format=FORMATS[path.suffix])
    return path


def m4a(sound):
    """Return the least that is a file of one track: three seconds by its header."""

    def atom(name, body):
        return struct.pack(">I4s", 8 + len(body), name) + body

    times = struct.pack(">IIIII", 0, 0, 0, RATE, 3 * RATE)
    head = atom(b"mdhd", times + bytes(4)) + atom(b"hdlr", bytes(8) + b"soun" + bytes(13))
    sample = struct.pack(">6xH8xHHHHI", 1, 2, 16, 0, 0, RATE << 16)
    stsd = atom(b"stsd", struct.pack(">II", 0, 1) + atom(b"ulaw", sample + atom(b"free", b"")))
    media = atom(b"mdia", head + atom(b"minf", atom(b"stbl", stsd)))
    movie = atom(b"moov", atom(b"mvhd", times + bytes(80)) + atom(b"trak", media))
    return atom(b"ftyp", b"M4A \0\0\0\0M4A ") + movie + atom(b"mdat", sound)


def tag(path):
    """Write TAGS and a cover in the manner of the format."""
    picture = Picture()
    picture.data, picture.mime, picture.type = JPEG, "image/jpeg", 3
    if path.suffix in (".ogg", ".flac"):
        tags = OggVorbis(path) if path.suffix == ".ogg" else FLAC(path)
        tags.update(TAGS)
        if path.suffix == ".ogg":
            tags["metadata_block_picture"] = base64.b64encode(picture.write()).decode()
        else:
            tags.add_picture(picture)
        tags.save()
    elif path.suffix == ".m4a":
        names = ("\xa9nam", "\xa9ART", "\xa9alb", "\xa9gen", "\xa9day")
        tags = MP4(path)
        tags.update(dict(zip(names, TAGS.values(), strict=True)))
        tags["covr"] = [MP4Cover(JPEG, MP4Cover.FORMAT_JPEG)]
        tags.save()
    else:
        frames = [
            kind(encoding=3, text=text)
            for kind, text in zip((TIT2, TPE1, TALB, TCON, TDRC), TAGS.values(), strict=True)
        ]
        frames.append(APIC(encoding=3, mime="image/jpeg", type=3, desc="", data=JPEG))
        whole = WAVE(path) if path.suffix == ".wav" else None
        if whole is not None:
            whole.add_tags()
        tags = ID3() if whole is None else whole.tags
        for frame in frames:
            tags.add(frame)
        tags.save(path) if whole is None else whole.save()
    return path


@pytest.mark.parametrize("ending", KINDS)
def test_what_a_file_says(tmp_path, ending):
    bare = read_audio(write(tmp_path / f"x{ending}"))
    assert (bare.content_type, bare.tags, bare.cover) == (KINDS[ending], {}, None)
    assert bare.duration_ms == pytest.approx(3000, abs=60)
    told = read_audio(tag(tmp_path / f"x{ending}"))
    assert told.tags == {
        "title": "A Song of two lines",
        "artist": "Ann, Ben",
        "album": "Ünder",
        "genre": "Folk",
        "date": "2011-07-19",
    }
    assert told.cover == (JPEG, "image/jpeg")


@pytest.mark.parametrize("ending", KINDS)
def test_a_song_is_known_by_its_sound_whatever_its_tags(tmp_path, ending):
    one, other = write(tmp_path / f"a{ending}"), write(tmp_path / f"b{ending}", pitch=523)
    before = sound_hash(one, KINDS[ending])
    assert before != sound_hash(other, KINDS[ending])
    assert sound_hash(tag(one), KINDS[ending]) == before


def test_tags_that_need_many_pages_do_not_change_the_sound(tmp_path):
    path = write(tmp_path / "x.ogg")
    before = sound_hash(path, "audio/ogg")
    tags = OggVorbis(path)
    tags["comment"] = "long " * 60_000
    tags.save()
    assert sound_hash(path, "audio/ogg") == before


def test_the_content_decides_and_not_the_ending(tmp_path):
    path = tmp_path / "x.m4a"
    shutil.copy(write(tmp_path / "x.wav"), path)
    assert read_audio(path).content_type == "audio/wav"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2011-07-19T10:00:00Z", "2011-07-19"),
        ("2011-13", "2011"),
        ("2011-02-30", "2011-02"),
        ("2011", "2011"),
        ("0000", None),
        ("19 July 2011", None),
        ("٢٠١١", None),
    ],
)
def test_dates_are_kept_as_far_as_they_are_dates(tmp_path, given, kept):
    path = write(tmp_path / "x.flac")
    tags = FLAC(path)
    tags["date"] = given
    tags.save()
    assert read_audio(path).tags.get("date") == kept


@pytest.mark.parametrize("image", [b"<svg onload='alert(1)'/>", b"<html>", b""])
def test_what_is_no_image_is_no_cover(tmp_path, image):
    path = write(tmp_path / "x.flac")
    tags, picture = FLAC(path), Picture()
    picture.data, picture.mime = image, "image/jpeg"
    tags.add_picture(picture)
    tags.save()
    assert read_audio(path).cover is None


@pytest.mark.parametrize("ending", KINDS)
@pytest.mark.parametrize("body", [b"", b"not audio", b"\0" * 4096, b"RIFF\xff\xff\xff\xffWAVE"])
def test_what_is_no_audio_is_refused(tmp_path, ending, body):
    path = tmp_path / f"x{ending}"
    path.write_bytes(body)
    with pytest.raises(BadInput):
        read_audio(path)


def test_half_an_ogg_is_refused(tmp_path):
    path = write(tmp_path / "x.ogg")
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(BadInput):
        sound_hash(path, read_audio(path).content_type)


def test_without_a_title_a_song_is_called_like_its_file(tmp_path):
    path = write(tmp_path / "Quiet_River.wav")
    song = song_of("s", path, read_audio(path))
    assert (song["title"], song["artist"], song["release_date"]) == ("Quiet River", None, None)
    assert song["duration_ms"] == 3000


def test_files_below_the_folder_are_found_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/2.OGG", "a.mp3", "cover.jpg", "b/notes.txt"):
        (tmp_path / name).touch()
    assert files_in(tmp_path) == [tmp_path / "a.mp3", tmp_path / "b/2.OGG"]
    for empty in (tmp_path / "none", tmp_path / "c"):
        (tmp_path / "c").mkdir(exist_ok=True)
        with pytest.raises(BadInput):
            files_in(empty)


def test_real_music(shared_data):
    files = files_in(shared_data / "audio")
    found = {path.name: read_audio(path) for path in files}
    vibe = found["Kevin_MacLeod_-_Vibe_Ace.ogg"]
    assert (vibe.tags["title"], vibe.tags["artist"]) == ("Vibe Ace", "Kevin MacLeod")
    assert vibe.duration_ms == 61_459
    assert vibe.cover is not None
    assert len({sound_hash(path, "audio/ogg") for path in files}) == len(files)
