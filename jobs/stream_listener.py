"""What the streaming query says of itself, written down for whoever watches it."""

import json
import time
from typing import Any

from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from jobs.contract.settings import Settings
from jobs.stores.stream_health import StreamHealth


class HealthListener(StreamingQueryListener):  # type: ignore[misc]
    """Notes each batch, and each sign that there is nothing to do, in `stream_health`."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.kafka_topic
        self._health = StreamHealth(settings)
        self._longest = 0.0

    def onQueryStarted(self, _: QueryStartedEvent) -> None:
        self._health.note(progress_at=time.time())

    def onQueryProgress(self, event: QueryProgressEvent) -> None:
        progress = event.progress
        seconds = progress.batchDuration / 1000
        self._longest = max(self._longest, seconds)
        self._health.note(
            progress_at=time.time(),
            batch=progress.batchId,
            rows=progress.numInputRows,
            rows_per_second=round(progress.processedRowsPerSecond or 0.0, 1),
            batch_seconds=seconds,
            longest_batch_seconds=self._longest,
            **offsets_and_lag(progress.sources[0], self._topic),
        )

    def onQueryIdle(self, _: QueryIdleEvent) -> None:
        self._health.note(progress_at=time.time())

    def onQueryTerminated(self, _: QueryTerminatedEvent) -> None:
        """Say nothing: the driver tells why its query ended."""


def offsets_and_lag(source: Any, topic: str) -> dict[str, dict[str, int]]:
    """Return the next `offsets` of a Kafka source and its `lag`, by partition (as text).

    A batch that is repeated after a restart does not know the newest offsets: no lag is given.
    """
    done = json.loads(source.endOffset)[topic]
    if not str(source.latestOffset).startswith("{"):
        return {"offsets": done}
    newest = json.loads(source.latestOffset)[topic]
    return {"offsets": done, "lag": {p: newest[p] - done.get(p, 0) for p in newest}}
