"""Play counts set to what the lake holds; the caller holds the lease of the lake."""

from datetime import date

from pyspark.sql import SparkSession

from jobs.contract.names import RAW_LOGS
from jobs.contract.settings import Settings
from jobs.stores import lake
from jobs.stores.play_counts import PlayCounts
from jobs.stores.stream_health import StreamHealth
from jobs.stream.counts import plays_per_day

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(9999, 1, 1)


def recount(spark: SparkSession, settings: Settings, today: date) -> str:
    """Set the plays of every song from `raw/logs`; return a sentence of what changed."""
    logs = lake.read_logs(spark, settings, FIRST_DAY, LAST_DAY)
    app_id = str(StreamHealth(settings).read().get("app_id", ""))
    # What the stream has in the lake but may not have counted yet is counted here.
    batch = lake.committed_version(spark, lake.url(settings, RAW_LOGS), app_id) if app_id else -1
    plays = ((r.track_id, r.date, r.plays) for r in plays_per_day(logs).toLocalIterator())
    counts = PlayCounts(settings)
    tracks = counts.set_all(plays, today, app_id, batch)
    return f"{tracks} tracks have plays, {counts.refresh_songs(today)} songs' counts changed"
