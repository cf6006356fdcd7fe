"""Make covers and short audio for a catalogue and put them in the media bucket.

Every song gets a cover; the first `--audio` songs of the file get audio (simulate_history
writes the most popular first). What the bucket has is left alone unless --force is given.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from jobs.contract import names
from jobs.contract.errors import BadInput
from jobs.contract.settings import load_settings
from jobs.simulate.audio import make_clip
from jobs.simulate.covers import make_cover
from jobs.stores.objects import Objects

THREADS = 4
PROGRESS_EVERY = 400

Song = dict[str, Any]


def main(argv: list[str] | None = None) -> int:
    """Make what is missing and print how much that was."""
    options = _parse(argv)
    settings = load_settings()
    objects, bucket = Objects(settings), settings.media_bucket
    songs = read_songs(options.songs)
    objects.ensure_bucket(bucket)
    present = set() if options.force else set(objects.keys(bucket, ""))
    covers = [s for s in songs if names.cover_key(s["track_id"]) not in present]
    clips = [s for s in songs[: options.audio] if names.audio_key(s["track_id"]) not in present]
    started = time.monotonic()

    def put_cover(song: Song) -> None:
        body = make_cover(song["track_id"], song["title"], song.get("artist"), song.get("genre"))
        objects.put(bucket, names.cover_key(song["track_id"]), body, "image/svg+xml")

    def put_clip(song: Song) -> None:
        body = make_clip(song["track_id"], song.get("genre"))
        objects.put(bucket, names.audio_key(song["track_id"]), body, "audio/mpeg")

    _for_all("covers", covers, put_cover)
    _for_all("clips", clips, put_clip)
    print(
        f"{len(songs):,} songs: made {len(covers):,} covers and {len(clips):,} clips in "
        f"{time.monotonic() - started:.1f} s; the others were in bucket {bucket}"
    )
    return 0


def read_songs(path: Path) -> list[Song]:
    """Read a JSON-lines file with track_id and title, and artist and genre where known."""
    try:
        songs = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read songs from {path}: {error}") from None
    for number, song in enumerate(songs, start=1):
        if not (isinstance(song, dict) and song.get("track_id") and song.get("title")):
            raise BadInput(f"{path}, song {number}: needs track_id and title")
    return songs


def _for_all(what: str, songs: Iterable[Song], put: Callable[[Song], None]) -> None:
    """Put every song's medium; the first one that fails ends the rest."""
    with ThreadPoolExecutor(THREADS) as workers:
        puts = [workers.submit(put, song) for song in songs]
        try:
            for done, finished in enumerate(as_completed(puts), start=1):
                finished.result()
                if done % PROGRESS_EVERY == 0 or done == len(puts):
                    print(f"{what}: {done:,} of {len(puts):,}", flush=True)
        finally:
            workers.shutdown(cancel_futures=True)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True, help="songs.jsonl")
    parser.add_argument("--audio", type=int, default=240, help="songs that get audio (240)")
    parser.add_argument("--force", action="store_true", help="make again what is there")
    options = parser.parse_args(argv)
    if options.audio < 0:
        parser.error("--audio must be 0 or more")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
