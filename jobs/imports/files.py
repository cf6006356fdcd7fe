"""Fetch a file from wherever it is, and unpack it where it is packed."""

import gzip
import re
import tarfile
import zipfile
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from jobs.contract.errors import BadInput
from jobs.stores.objects import Objects

ATTEMPTS = 3
TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 20
NOT_DATA = re.compile(r"^([._]|readme|licen[cs]e|__macosx)", re.IGNORECASE)


def fetch(source: str, folder: Path, max_bytes: int, objects: Objects) -> Path:
    """Return the local file of a path, or of an http(s) or s3a URL, downloaded into `folder`.

    Raises BadInput where there is nothing, or more than `max_bytes`.
    """
    url = urlsplit(source)
    target = folder / safe_name(unquote(url.path))
    if url.scheme in ("http", "https"):
        return _download(source, target, max_bytes)
    if url.scheme in ("s3", "s3a"):
        return _from_bucket(objects, url.netloc, url.path.lstrip("/"), target)
    path = Path(url.path if url.scheme == "file" else source)
    if not path.is_file():
        raise BadInput(f"{source}: there is no such file")
    return path


def unpack(path: Path, folder: Path, max_bytes: int) -> list[Path]:
    """Return the data files in a zip, tar or gzip file, unpacked; any other file as it is.

    Readmes, licences and hidden files are left out. Raises BadInput where the file is damaged,
    locked, holds no data, or more than `max_bytes`.
    """
    room = _Room(max_bytes, path.name)
    folder = folder / "unpacked"  # so that no member takes the name of what it comes out of
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if _starts_with(path, b"PK\x03\x04"):
            with zipfile.ZipFile(path) as archive:
                return _unpack_members(_zip_members(archive), folder, room)
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                return _unpack_members(_tar_members(tar), folder, room)
        if _starts_with(path, b"\x1f\x8b"):
            target = folder / safe_name(re.sub(r"\.gz$", "", path.name))
            with gzip.open(path) as packed:
                room.copy(packed, target)
            return [target]
    except (EOFError, OSError, RuntimeError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise BadInput(f"{path.name}: cannot be unpacked: {error}") from None
    return [path]


def safe_name(path: str) -> str:
    """Return a file name that S3, Spark and Hadoop take as it is: none is hidden or a pattern."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", path.strip("/")).lstrip(".-")[-100:] or "log"


class Readable(Protocol):
    """What can be read in chunks: a file, a member of an archive, an HTTP answer."""

    def read(self, size: int, /) -> bytes: ...


class _Room:
    """Counts the bytes that unpacking may still write, so that no archive fills the disk."""

    def __init__(self, max_bytes: int, name: str) -> None:
        self._left, self._max, self._name = max_bytes, max_bytes, name

    def copy(self, stream: Readable, target: Path) -> None:
        with target.open("wb") as out:
            while chunk := stream.read(CHUNK_BYTES):
                self._left -= len(chunk)
                if self._left < 0:
                    raise BadInput(_too_large(self._name, self._max))
                out.write(chunk)


def _unpack_members(
    members: Iterator[tuple[str, IO[bytes]]], folder: Path, room: _Room
) -> list[Path]:
    files: list[Path] = []
    for name, stream in members:
        if any(NOT_DATA.match(part) for part in Path(name).parts):
            continue
        target = folder / f"{len(files):04}-{safe_name(name)}"
        room.copy(stream, target)
        files.append(target)
    if not files:
        raise BadInput("the archive holds no data file")
    return files


def _zip_members(archive: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes]]]:
    for info in archive.infolist():
        if not info.is_dir():
            with archive.open(info) as stream:
                yield info.filename, stream


def _tar_members(archive: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for info in archive:
        stream = archive.extractfile(info) if info.isfile() else None
        if stream:
            yield info.name, stream


def _download(url: str, target: Path, max_bytes: int) -> Path:
    shown = url.split("?")[0]  # a query may hold a key
    for _ in range(ATTEMPTS):
        try:
            if _download_once(url, target, max_bytes):
                return target
        except HTTPError as error:
            error.close()
            raise BadInput(f"{shown}: the server answers {error.code} {error.reason}") from None
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = str(error)
        else:
            reason = "the connection ended before the file did"
    raise BadInput(f"{shown}: not downloaded in {ATTEMPTS} tries: {reason}")


def _download_once(url: str, target: Path, max_bytes: int) -> bool:
    """Write the whole file anew; False when the connection ended before the file did."""
    request = Request(url, headers={"User-Agent": "nocturne"})  # noqa: S310 - fetch() saw http(s)
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
        size = answer.headers.get("Content-Length")
        if size and int(size) > max_bytes:
            raise BadInput(_too_large(url.split("?")[0], max_bytes))
        _Room(max_bytes, url.split("?")[0]).copy(answer, target)
    return not size or target.stat().st_size == int(size)


def _from_bucket(objects: Objects, bucket: str, key: str, target: Path) -> Path:
    try:
        objects.download(bucket, key, target)
    except KeyError:
        raise BadInput(f"s3a://{bucket}/{key}: there is no such object") from None
    return target


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _too_large(name: str, max_bytes: int) -> str:
    return f"{name}: larger than {max_bytes / 1e9:g} GB; raise --max-gb to take it"
