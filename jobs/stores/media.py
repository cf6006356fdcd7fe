"""S3 (MinIO), as serving reads it: covers, and the addresses at which browsers get audio."""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobs.contract.names import audio_key, cover_key
from jobs.contract.settings import Settings

AWAY = (BotoCoreError, ClientError)
"""What a read raises when the object store does not answer as it should."""

IMAGES = frozenset(f"image/{kind}" for kind in ("svg+xml", "jpeg", "png", "webp", "gif", "avif"))
"""What a stored cover may be. Anything else, a web page above all, is not passed on."""

MOST_COVER_BYTES = 4 << 20
CONNECTIONS = 16


@dataclass(frozen=True)
class Cover:
    """An image. `etag` changes when the image does."""

    body: bytes
    content_type: str

    @property
    def etag(self) -> str:
        """Return a name for these very bytes."""
        return hashlib.sha256(self.body).hexdigest()[:32]


class Media:
    """Covers and audio of one deployment, only read. Safe to share between threads."""

    def __init__(self, settings: Settings, seconds: float) -> None:
        """Let a read fail when the store stands still for so many seconds."""
        self._bucket = settings.media_bucket
        self._client = _client(settings, settings.s3_endpoint, seconds)

    def cover(self, track_id: str) -> Cover | None:
        """Return a song's stored cover, or None where there is none that is an image."""
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=cover_key(track_id))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
                return None
            raise
        kind = str(found["ContentType"]).partition(";")[0].strip().lower()
        with found["Body"] as body:
            if kind not in IMAGES or found["ContentLength"] > MOST_COVER_BYTES:
                return None
            return Cover(bytes(body.read()), kind)

    def close(self) -> None:
        """End the connections."""
        self._client.close()


class AudioLinks:
    """Signs addresses of audio; no store is asked. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.media_bucket
        self._seconds = settings.media_seconds
        self._client = _client(settings, media_url(settings), seconds=1.0)

    def link(self, track_id: str) -> str:
        """Return an address that gives the song's audio to whoever has it, for a while."""
        return str(
            self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._bucket, "Key": audio_key(track_id)},
                ExpiresIn=self._seconds,
            )
        )


def media_url(settings: Settings) -> str:
    """Return the address of the object store as browsers reach it."""
    return settings.media_url or settings.s3_endpoint


def media_origin(settings: Settings) -> str:
    """Return the origin of audio, as a page's policy names it."""
    parts = urlsplit(media_url(settings))
    return f"{parts.scheme}://{parts.netloc}"


def _client(settings: Settings, address: str, seconds: float) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            max_pool_connections=CONNECTIONS,
            connect_timeout=seconds,
            read_timeout=seconds,
            retries={"total_max_attempts": 1},
        ),
    )
