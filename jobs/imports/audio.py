"""An audio file: what it says of itself, and what its sound is recognised by."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import mutagen
import soundfile
from mutagen.flac import FLAC, Picture
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4
from mutagen.mp4._atom import Atoms
from mutagen.ogg import OggPage
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from jobs.contract.errors import BadInput
from jobs.contract.songs import MAX_TRACK_MS

ENDINGS = (".ogg", ".oga", ".opus", ".mp3", ".flac", ".m4a", ".wav")
CONTENT_TYPES = {
    OggVorbis: "audio/ogg",
    OggOpus: "audio/ogg",
    MP3: "audio/mpeg",
    FLAC: "audio/flac",
    MP4: "audio/mp4",
    WAVE: "audio/wav",
}
"""By what is in a file, whatever its ending."""

MOST_BYTES = 1 << 30
MOST_COVER_BYTES = 4 << 20
BLOCK = 1 << 20
DATE = re.compile(r"[12]\d{3}(-\d{2}(-\d{2})?)?")
ID3_NAMES = {"title": "TIT2", "artist": "TPE1", "album": "TALB", "genre": "TCON", "date": "TDRC"}
MP4_NAMES = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "genre": "\xa9gen",
    "date": "\xa9day",
}
IMAGES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
)


@dataclass(frozen=True)
class Audio:
    """What a file says: `tags` has those of title, artist, album, genre and date that there are.

    `cover` is the embedded image with its content type.
    """

    content_type: str
    tags: dict[str, str]
    duration_ms: int
    cover: tuple[bytes, str] | None


def read_audio(path: Path) -> Audio:
    """Read length, tags and cover; raises BadInput, with the reason, for what is no such audio."""
    if path.stat().st_size > MOST_BYTES:
        raise BadInput(f"is larger than {MOST_BYTES >> 20} MiB")
    try:
        found: Any = mutagen.File(path)
        kind = CONTENT_TYPES.get(type(found))
        if kind is None:
            raise BadInput("is none of Ogg Vorbis, Opus, MP3, FLAC, M4A and WAV")
        seconds = float(found.info.length)
        if kind != "audio/mp4":  # which libsndfile does not read
            _hear(path)
    except (mutagen.MutagenError, soundfile.LibsndfileError) as error:
        raise BadInput(f"cannot be read: {error}") from None
    if not 1 <= round(seconds * 1000) <= MAX_TRACK_MS:
        raise BadInput("has no sound in it, or more than 24 hours")
    values = {name: [_words(value) for value in _tag(found, name)] for name in ID3_NAMES}
    tags = {name: next(filter(None, given), "") for name, given in values.items()}
    tags |= {"artist": ", ".join(filter(None, values["artist"])), "date": _date(tags["date"])}
    tags = {name: text for name, text in tags.items() if text}
    return Audio(kind, tags, round(seconds * 1000), _cover(found))


def sound_hash(path: Path, content_type: str) -> str:
    """Return a hash of the sound alone: it stays when tags or the cover are changed.

    The coded sound is hashed as it is, so the same recording in another format has another one.
    Raises BadInput where the file ends before its sound does.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for part in SOUND[content_type](file):
                digest.update(part)
    except mutagen.MutagenError as error:
        raise BadInput(f"cannot be read: {error}") from None
    return digest.hexdigest()


def _hear(path: Path) -> None:
    with soundfile.SoundFile(path) as sound:
        if not len(sound.read(1024)):
            raise BadInput("has no sound in it")


def _tag(found: Any, name: str) -> list[str]:
    """Return the values of a tag, whatever the format calls it."""
    for key in (name, ID3_NAMES[name], MP4_NAMES[name]):
        try:
            values = found.tags[key]
        except (KeyError, ValueError, TypeError):  # of that name, of such a name, of any
            continue
        return [str(value) for value in getattr(values, "text", values)]
    return []


def _words(text: str) -> str:
    """Return the text with single blanks, and without what no JSON could hold."""
    return " ".join(text.encode(errors="replace").decode().replace("\0", " ").split())


def _date(text: str) -> str:
    """Return YYYY, YYYY-MM or YYYY-MM-DD, as much as is there and is a date; else nothing."""
    found = DATE.match(text)
    parts = found[0].split("-") if found else []
    while parts:
        try:
            date(*(int(part) for part in [*parts, "1", "1"][:3]))
        except ValueError:
            parts.pop()
        else:
            break
    return "-".join(parts)


def _cover(found: Any) -> tuple[bytes, str] | None:
    for body in _images(found):
        kind = next((kind for magic, kind in IMAGES if body.startswith(magic)), None)
        if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
            kind = "image/webp"
        if kind and len(body) <= MOST_COVER_BYTES:
            return body, kind
    return None


def _images(found: Any) -> Iterator[bytes]:
    yield from (bytes(picture.data) for picture in getattr(found, "pictures", ()))
    tags: Any = found.tags or {}
    if hasattr(tags, "getall"):
        yield from (bytes(frame.data) for frame in tags.getall("APIC"))
        return
    picture: Any = Picture
    for text in _all(tags, "metadata_block_picture"):
        try:
            yield bytes(picture(base64.b64decode(text)).data)
        except (mutagen.MutagenError, binascii.Error, ValueError):
            continue
    yield from (bytes(image) for image in _all(tags, "covr"))


def _all(tags: Any, key: str) -> list[Any]:
    try:
        return list(tags[key])
    except (KeyError, ValueError):
        return []


def _mp3(file: BinaryIO) -> Iterator[bytes]:
    """Yield what is between the ID3 tags at both ends."""
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        size = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(reversed(head[6:])))
        start = 10 + size + (10 if head[5] & 0x10 else 0)
    end = file.seek(0, 2)
    file.seek(max(0, end - 128))
    if file.read(3) == b"TAG":
        end -= 128
    yield from _between(file, start, end)


def _flac(file: BinaryIO) -> Iterator[bytes]:
    """Yield the frames behind the blocks of metadata."""
    file.seek(4)
    while len(head := file.read(4)) == 4:
        file.seek(int.from_bytes(head[1:]), 1)
        if head[0] & 0x80:
            break
    yield from _between(file, file.tell(), file.seek(0, 2))


def _wav(file: BinaryIO) -> Iterator[bytes]:
    """Yield the chunk of samples, and the one that says what they are."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        start, size = file.tell(), int.from_bytes(head[4:], "little")
        if head[:4] in (b"fmt ", b"data"):
            yield from _between(file, start, start + size)
        file.seek(start + size + size % 2)


def _m4a(file: BinaryIO) -> Iterator[bytes]:
    """Yield the atoms of media data."""
    for atom in Atoms(file).atoms:
        if atom.name == b"mdat":
            yield from _between(file, atom.offset, atom.offset + atom.length)


def _ogg(file: BinaryIO) -> Iterator[bytes]:
    """Yield every packet but the second, which has the comments; pages are cut anew with them."""
    packet = 0
    while True:
        try:
            page = OggPage(file)  # type: ignore[no-untyped-call]
        except EOFError:
            return
        for place, part in enumerate(page.packets):
            if packet != 1:
                yield part
            packet += place < len(page.packets) - 1 or page.complete


def _between(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while (left := end - file.tell()) > 0 and (block := file.read(min(BLOCK, left))):
        yield block


SOUND: dict[str, Callable[[BinaryIO], Iterator[bytes]]] = {
    "audio/ogg": _ogg,
    "audio/mpeg": _mp3,
    "audio/flac": _flac,
    "audio/wav": _wav,
    "audio/mp4": _m4a,
}
