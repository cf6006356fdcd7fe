"""A log with one right answer: a checkerboard of two tastes."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from deltalake import write_deltalake

from jobs.contract.names import RAW_LOGS
from jobs.contract.settings import Settings

AS_OF = date(2024, 3, 1)
LISTENERS, SONGS = 40, 30


def board() -> Iterable[tuple[str, str, date]]:
    """Plays of the own taste: every fifth song only on the last day of the window."""
    for user in range(LISTENERS):
        for song in range(user % 2, SONGS, 2):
            missed = (user // 2 + song // 2) % 5 == 0
            day = AS_OF - timedelta(days=1 if missed else 2 + (user + song) % 20)
            yield f"u{user:02}", f"s{song:02}", day


def write_log(settings: Settings, plays: Iterable[tuple[str, str, date]]) -> None:
    """Write plays to `raw/logs` as any Delta writer would."""
    rows = [
        {
            "event_id": f"{user}-{song}",
            "user_id": user,
            "track_id": song,
            "timestamp": int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000),
            "action": "listen",
            "source": "simulation",
            "received_at": datetime.now(UTC),
            "date": day,
        }
        for user, song, day in plays
    ]
    write_deltalake(
        f"s3://{settings.lake_bucket}/{RAW_LOGS}",
        pa.Table.from_pylist(rows),
        partition_by=["date"],
        storage_options={
            "AWS_ENDPOINT_URL": settings.s3_endpoint,
            "AWS_ACCESS_KEY_ID": settings.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": settings.s3_secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "aws_conditional_put": "etag",
        },
    )
