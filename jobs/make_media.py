"""Make covers and audio for a catalogue and put them in the media bucket.

Every song gets a cover and a clip; --audio N makes clips for the first N songs of the file alone
(simulate_history writes the most popular first). What the bucket has is left alone unless --force
is given. mark_playable then writes down which songs have audio.
"""

import argparse
import json
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

from jobs.contract import names
from jobs.contract.errors import BadInput
from jobs.contract.settings import Settings, load_settings
from jobs.simulate.audio import CLIP_SECONDS, make_clip, style_of
from jobs.simulate.covers import make_cover
from jobs.stores.objects import Objects

PROCESSES = 2
THREADS = 4
"""Of each process, which wait for the store while one of them works."""

COVERS_AT_ONCE = 300
MOST_SECONDS = 3600.0

Song = dict[str, Any]


def main(argv: list[str] | None = None) -> int:
    """Make what is missing and print how much that was."""
    options = _parse(argv)
    settings = load_settings()
    objects, bucket = Objects(settings), settings.media_bucket
    songs = read_songs(options.songs)
    present = set() if options.force else set(objects.keys(bucket, ""))
    with_audio = songs if options.audio is None else songs[: options.audio]
    covers = [s for s in songs if names.cover_key(s["track_id"]) not in present]
    clips = [s for s in with_audio if names.audio_key(s["track_id"]) not in present]
    started = time.monotonic()
    put_clips = partial(_put_clips, settings, options.seconds)
    _for_all("clips", _by_style(clips), put_clips)
    _for_all("covers", _in_parts(covers), partial(_put_covers, settings))
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


def _by_style(songs: Iterable[Song]) -> list[list[Song]]:
    """Return songs of one style together, the most first: what a style is made of is made once."""
    styles: defaultdict[str, list[Song]] = defaultdict(list)
    for song in songs:
        styles[style_of(song.get("genre"))].append(song)
    return sorted(styles.values(), key=len, reverse=True)


def _in_parts(songs: Sequence[Song]) -> list[Sequence[Song]]:
    return [songs[n : n + COVERS_AT_ONCE] for n in range(0, len(songs), COVERS_AT_ONCE)]


def _put_clips(settings: Settings, seconds: float, songs: Sequence[Song]) -> int:
    objects = Objects(settings)

    def put(song: Song) -> None:
        body = make_clip(song["track_id"], song.get("genre"), seconds)
        objects.put(settings.media_bucket, names.audio_key(song["track_id"]), body, "audio/mpeg")

    return _in_threads(put, songs)


def _put_covers(settings: Settings, songs: Sequence[Song]) -> int:
    objects = Objects(settings)

    def put(song: Song) -> None:
        body = make_cover(song["track_id"], song["title"], song.get("artist"), song.get("genre"))
        key = names.cover_key(song["track_id"])
        objects.put(settings.media_bucket, key, body, "image/svg+xml")

    return _in_threads(put, songs)


def _in_threads(put: Callable[[Song], None], songs: Sequence[Song]) -> int:
    with ThreadPoolExecutor(THREADS) as threads:
        return len(list(threads.map(put, songs)))


def _for_all(
    what: str, parts: Sequence[Sequence[Song]], put: Callable[[Sequence[Song]], int]
) -> None:
    """Put the media of every part; the first one that fails ends the rest."""
    total, done = sum(len(part) for part in parts), 0
    context = multiprocessing.get_context("spawn")  # clients and threads do not survive a fork
    with ProcessPoolExecutor(PROCESSES, context) as workers:
        puts = [workers.submit(put, part) for part in parts]
        try:
            for finished in as_completed(puts):
                done += finished.result()
                print(f"{what}: {done:,} of {total:,}", flush=True)
        finally:
            workers.shutdown(cancel_futures=True)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--songs", type=Path, required=True, help="songs.jsonl")
    parser.add_argument("--audio", type=int, help="songs that get audio (all)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=CLIP_SECONDS,
        help=f"length of a clip ({CLIP_SECONDS:.0f})",
    )
    parser.add_argument("--force", action="store_true", help="make again what is there")
    options = parser.parse_args(argv)
    if options.audio is not None and options.audio < 0:
        parser.error("--audio must be 0 or more")
    if not 1 <= options.seconds <= MOST_SECONDS:
        parser.error(f"--seconds must be 1 to {MOST_SECONDS:.0f}")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
