"""Bring catalogue files to the landing zone, and find those that are there."""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from jobs.contract.errors import BadInput
from jobs.songs.sources import ENDINGS, catalogue_files, kind_of
from jobs.stores.objects import Objects

TIMEOUT_SECONDS = 60


def arguments(argv: Sequence[str] | None, about: str | None, prefix: str) -> argparse.Namespace:
    """Return the arguments of a catalogue job: `input`, the files to land first."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="FILE_OR_URL",
        help=f"a file or http(s) URL to copy to {prefix}/ first; may be repeated",
    )
    return parser.parse_args(argv)


def land(objects: Objects, bucket: str, prefix: str, source: str) -> str:
    """Copy a local file or an http(s) URL to `prefix/` under its own name; return its key.

    A file of that name that landed before is replaced. Raises BadInput when there is no such
    file, or none of a known ending.
    """
    address = urlsplit(source)
    is_web = address.scheme in ("http", "https")
    name = PurePosixPath(unquote(address.path)).name if is_web else Path(source).name
    if not kind_of(name):
        raise BadInput(f"--input {source}: the name must end in one of {', '.join(ENDINGS)}")
    key = f"{prefix}/{name}"
    if is_web:
        with tempfile.TemporaryDirectory() as folder:
            objects.upload(bucket, key, _download(source, Path(folder) / "download"))
        return key
    if not Path(source).is_file():
        raise BadInput(f"--input {source}: there is no such file")
    objects.upload(bucket, key, Path(source))
    return key


def landed(objects: Objects, bucket: str, prefix: str) -> list[str]:
    """Return the catalogue files below `prefix/`, and print the names of all others."""
    files, others = catalogue_files(objects.keys(bucket, f"{prefix}/"), prefix)
    for key in others:
        print(f"{key}: left out, no catalogue file ({', '.join(ENDINGS)})")
    return files


def _download(url: str, path: Path) -> Path:
    try:
        with closing(urlopen(url, timeout=TIMEOUT_SECONDS)) as body, path.open("wb") as file:  # noqa: S310 - http(s) only
            shutil.copyfileobj(body, file)
    except (URLError, TimeoutError) as error:
        raise BadInput(f"--input {url} cannot be fetched: {error}") from error
    return path
