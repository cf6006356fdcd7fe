"""Objects in S3 (MinIO) without Spark: landing files, manifests, audio and covers."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from jobs.contract.settings import Settings


class Objects:
    """Both buckets of one deployment. Safe to share between threads."""

    def __init__(self, settings: Settings, seconds: float = 60.0) -> None:
        """Let a call fail when the store stands still for so many seconds."""
        self._client = _client(settings, seconds)

    def ensure_bucket(self, bucket: str) -> None:
        """Create the bucket unless it is there."""
        try:
            self._client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
            self._client.create_bucket(Bucket=bucket)

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Write one object whole; an old one of that key is replaced."""
        self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def upload(
        self, bucket: str, key: str, path: Path, content_type: str = "application/octet-stream"
    ) -> None:
        """Write a local file, in parts where it is large."""
        kind = {"ContentType": content_type}
        self._client.upload_file(str(path), bucket, key, ExtraArgs=kind)

    def download(self, bucket: str, key: str, path: Path) -> None:
        """Copy one object to a local file; raises KeyError where there is none."""
        try:
            self._client.download_file(bucket, key, str(path))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                raise KeyError(f"{bucket}/{key}") from None
            raise

    def get(self, bucket: str, key: str) -> bytes:
        """Return one object; raises KeyError where there is none."""
        try:
            return bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise KeyError(f"{bucket}/{key}") from None
            raise

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return every key below the prefix, in order."""
        return [item["Key"] for item in self._items(bucket, prefix)]

    def newest_below(self, bucket: str, prefix: str) -> dict[str, datetime]:
        """Return each folder right below the prefix, and when anything in it last changed."""
        newest: dict[str, datetime] = {}
        for item in self._items(bucket, prefix):
            name, slash, _ = item["Key"].removeprefix(prefix).partition("/")
            if slash:
                folder = f"{prefix}{name}/"
                changed: datetime = item["LastModified"]
                newest[folder] = max(newest.get(folder, changed), changed)
        return newest

    def ages(self, bucket: str, prefix: str) -> list[tuple[str, float]]:
        """Return every key below the prefix, in order, with when it was written (epoch s)."""
        return [(i["Key"], i["LastModified"].timestamp()) for i in self._items(bucket, prefix)]

    def delete_below(self, bucket: str, prefix: str) -> int:
        """Delete every object below the prefix; return how many there were."""
        return self.delete(bucket, self.keys(bucket, prefix))

    def delete(self, bucket: str, keys: Sequence[str]) -> int:
        """Delete these objects; return how many they are."""
        for start in range(0, len(keys), 1000):
            batch = [{"Key": key} for key in keys[start : start + 1000]]
            self._client.delete_objects(Bucket=bucket, Delete={"Objects": batch})
        return len(keys)

    def _items(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            yield from page.get("Contents", [])


def _client(settings: Settings, seconds: float) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"},
            max_pool_connections=16,
            connect_timeout=min(5.0, seconds),
            read_timeout=seconds,
            retries={"max_attempts": 3, "mode": "standard"},
        ),
    )
