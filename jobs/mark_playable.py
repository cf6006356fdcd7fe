"""Write down in MongoDB which songs have audio in the media bucket: the field `playable`.

Songs without it are left out of queues and lists. Where the bucket has no audio at all, the
field is taken away: nobody knows, and every song may be listed. A second run changes nothing.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing

from jobs.contract.errors import NocturneError
from jobs.contract.names import AUDIO, audio_key
from jobs.contract.settings import Settings, load_settings
from jobs.stores.away import stores_named
from jobs.stores.documents import Documents
from jobs.stores.objects import Objects


def mark(settings: Settings) -> str:
    """Hold every song against the bucket; return what came of it in a sentence."""
    bucket = settings.media_bucket
    with stores_named(), closing(Documents(settings)) as documents:
        objects = Objects(settings)
        keys = frozenset(objects.keys(bucket, f"{AUDIO}/"))
        if not keys:
            changed = documents.forget_playable()
            return f"bucket {bucket} has no audio: every song may be listed, {changed:,} changed"
        playable, silent, changed = documents.set_playable(lambda song: audio_key(song) in keys)
    songs = f"{playable + silent:,} songs: {playable:,} have audio, {silent:,} have none"
    return f"{songs}, {changed:,} changed"


def main(argv: Sequence[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, when a store does not answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(argv)
    try:
        print(f"mark_playable: {mark(load_settings())}")
    except NocturneError as error:
        print(f"mark_playable: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
