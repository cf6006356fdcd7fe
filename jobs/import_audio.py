"""Take a folder of your own music in: songs, covers and audio, ready to be played.

Ogg (Vorbis, Opus), MP3, FLAC, M4A and WAV, in the folder and below it. The songs' tags are
landed in landing/songs/ and go through etl_master_data, their audio and covers go to the media
bucket. A song is known by its sound, so that new tags change it and do not make another one;
with --ids filename by the name of its file. A file that cannot be used is named, with the reason,
and the rest goes on. A second run changes nothing.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs import etl_master_data
from jobs.contract import names
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.events import MAX_ID_LENGTH
from jobs.contract.settings import Settings, load_settings
from jobs.imports.audio import ENDINGS, Audio, read_audio, sound_hash
from jobs.mark_playable import mark
from jobs.simulate.covers import make_cover
from jobs.stores.objects import Objects

LANDED = f"{names.LANDING_SONGS}/imported_audio.jsonl"
"""One line for each song that was ever imported; a new import of a song replaces its line."""

PROGRESS_EVERY = 50

Song = dict[str, Any]


class Import:
    """One run: the songs that it took, and the files that it could not use."""

    def __init__(self, settings: Settings, by_name: bool) -> None:
        self._settings = settings
        self._objects = Objects(settings)
        self._by_name = by_name
        self._files: dict[str, Path] = {}
        self.songs: list[Song] = []
        self.refused: list[tuple[Path, str]] = []

    def take_all(self, folder: Path, files: Sequence[Path]) -> None:
        """Put audio and cover of each file into the media bucket."""
        bucket = self._settings.media_bucket
        present = frozenset(self._objects.keys(bucket, f"{names.AUDIO}/"))
        for number, path in enumerate(files, start=1):
            try:
                self._take(path, present)
            except (BadInput, OSError) as error:
                self.refused.append((path.relative_to(folder), str(error)))
                print(f"{path.relative_to(folder)}: {error}", file=sys.stderr, flush=True)
            if number % PROGRESS_EVERY == 0 or number == len(files):
                print(f"files: {number:,} of {len(files):,}", flush=True)

    def land(self) -> None:
        """Write the songs' lines into the landing file, beside those of earlier imports."""
        bucket = self._settings.lake_bucket
        try:
            before = self._objects.get(bucket, LANDED).decode().split("\n")
        except KeyError:
            before = []
        songs = {song["track_id"]: song for song in (json.loads(line) for line in before if line)}
        songs |= {song["track_id"]: song for song in self.songs}
        lines = [json.dumps(songs[track], ensure_ascii=False) + "\n" for track in sorted(songs)]
        self._objects.put(bucket, LANDED, "".join(lines).encode(), "application/x-ndjson")

    def _take(self, path: Path, present: frozenset[str]) -> None:
        audio = read_audio(path)
        track_id = self._id(path, audio)
        other = self._files.setdefault(track_id, path)
        if other is not path:
            if self._by_name:
                raise BadInput(f"is called as {other}, which was taken")
            print(f"{path}: sounds as {other} does, which was taken", flush=True)
            return
        song = song_of(track_id, path, audio)
        bucket, key = self._settings.media_bucket, names.audio_key(track_id)
        if self._by_name or key not in present:
            self._objects.put(bucket, key, path.read_bytes(), audio.content_type)
        body, kind = audio.cover or _drawn(song)
        self._objects.put(bucket, names.cover_key(track_id), body, kind)
        self.songs.append(song)

    def _id(self, path: Path, audio: Audio) -> str:
        if self._by_name:
            track_id = path.stem.strip()
        else:
            track_id = f"audio-{sound_hash(path, audio.content_type)[:32]}"
        if len(track_id.encode(errors="replace")) > MAX_ID_LENGTH or not track_id.isprintable():
            raise BadInput(f"its name makes no id: over {MAX_ID_LENGTH} bytes, or not printable")
        return track_id


def song_of(track_id: str, path: Path, audio: Audio) -> Song:
    """Return the line of a landing file; without a title in its tags, the file's name is one."""
    tags = audio.tags
    return {
        "track_id": track_id,
        "title": tags.get("title") or path.stem.replace("_", " "),
        "artist": tags.get("artist"),
        "album": tags.get("album"),
        "genre": tags.get("genre"),
        "duration_ms": audio.duration_ms,
        "release_date": tags.get("date"),
    }


def _drawn(song: Song) -> tuple[bytes, str]:
    svg = make_cover(song["track_id"], song["title"], song["artist"], song["genre"])
    return svg, "image/svg+xml"


def files_in(folder: Path) -> list[Path]:
    """Return the audio files in the folder and below, in order; raises BadInput without any."""
    if not folder.is_dir():
        raise BadInput(f"there is no folder {folder}: make import-audio DIR=<folder>")
    found = (Path(at) / name for at, _, inside in os.walk(folder) for name in inside)
    files = sorted(path for path in found if path.suffix.lower() in ENDINGS)
    if not files:
        raise BadInput(f"{folder} has no file that ends in one of {', '.join(ENDINGS)}")
    return files


def run(settings: Settings, folder: Path, by_name: bool, land_only: bool) -> int:
    """Import the folder; return how many of its files could not be used."""
    files = files_in(folder)
    done = Import(settings, by_name)
    done.take_all(folder, files)
    if done.songs:
        done.land()
        if land_only:
            print(f"import_audio: {LANDED} waits for etl_master_data, then run mark_playable")
        elif etl_master_data.main([]) != 0:
            raise BadInput("the songs are landed, but etl_master_data failed: see above")
        else:
            print(f"mark_playable: {mark(settings)}")
    print(f"import_audio: {len(done.songs):,} songs, {len(done.refused):,} files not used")
    return len(done.refused)


def main(argv: Sequence[str] | None = None) -> int:
    """Return 1, with a sentence for each on stderr, where a file or the whole import failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dir", type=Path, required=True, help="folder of the files")
    parser.add_argument(
        "--ids",
        choices=("content", "filename"),
        default="content",
        help="what a song is known by: its sound (the default), or the name of its file",
    )
    parser.add_argument(
        "--land-only", action="store_true", help="leave the rest to the nightly etl_master_data"
    )
    args = parser.parse_args(argv)
    try:
        refused = run(load_settings(), args.dir, args.ids == "filename", args.land_only)
    except NocturneError as error:
        print(f"import_audio: {error}", file=sys.stderr)
        return 1
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
