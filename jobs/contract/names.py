"""Names that more than one part uses: lake paths, topics, collections, keys."""

import hashlib
from datetime import date
from urllib.parse import quote

# Paths inside the lake bucket.
LANDING_SONGS = "landing/songs"
LANDING_USERS = "landing/users"
LANDING_LOGS = "landing/logs"
RAW_LOGS = "raw/logs"
QUARANTINE_LOGS = "quarantine/logs"
REMOVED_OFFSETS = "audit/removed_offsets"
MASTER_SONGS = "master/songs"
MASTER_SONGS_REJECTED = "master/songs_rejected"
MASTER_USERS = "master/users"
MASTER_USERS_REJECTED = "master/users_rejected"
MODELS = "models"
DAILY_REPORTS = "reports/daily"
TUNING = "tuning"

# MongoDB collections.
SONGS = "songs"
CATALOGUE_STATE = "catalogue_state"
USERS = "users"
GENERATIONS = "generations"
SERVING_STATE = "serving_state"
PLAY_COUNTS = "play_counts"
EVENT_COUNTS = "event_counts"
LEASES = "leases"
STREAM_HEALTH = "stream_health"
STREAM_HOLDS = "stream_holds"
ALERTS = "alerts"
ERASURES = "erasures"
JOB_PHASES = "job_phases"
TUNED_PARAMS = "tuned_params"
REVOKED_TOKENS = "revoked_tokens"

LIVE = "live"
"""`_id` of the one pointer document in `serving_state`."""

LAKE_WRITER = "lake_writer"
"""`_id` of the lease without which nobody writes a Delta table."""

STREAM_QUERY = "stream_plays"
"""Name of the streaming query, and `_id` of its heartbeat in `stream_health`."""

SUPERVISION = "stream_supervision"
"""`_id` in `stream_health` of what the stream's supervision saw and did."""

MILVUS_ALIAS = "music_collection"

SPARK_POOL = "spark"
"""Airflow's pool of the Spark jobs. One slot: two of them would fight for one machine."""

GENERATION_HEADER = "Nocturne-Generation"
"""Header with which an operator's request asks for a generation that is not live."""


def runbook(name: str) -> str:
    """Return the file that says what to do about a DAG, or a part, that is in trouble."""
    return f"infra/runbooks/{name}.md"


def collection_name(generation: str) -> str:
    """Return the Milvus collection that holds the item vectors of one generation.

    Examples:
        >>> collection_name("g20261122T0200_1a2b3c4d")
        'music_collection_g20261122T0200_1a2b3c4d'
    """
    return f"{MILVUS_ALIAS}_{generation}"


def user_factors_path(generation: str) -> str:
    """Return the lake path of a generation's user factors (Parquet: id, vector)."""
    return f"{MODELS}/{generation}/user_factors"


def item_factors_path(generation: str) -> str:
    """Return the lake path of a generation's item factors (Parquet: id, vector)."""
    return f"{MODELS}/{generation}/item_factors"


def split_factors_path(generation: str) -> str:
    """Return the lake path of item factors that know nothing of the window's last days.

    The evaluation asks about those days, so it must not start from the others.
    """
    return f"{MODELS}/{generation}/split_item_factors"


def neighbours_path(generation: str) -> str:
    """Return the lake path of the songs' session neighbours (Parquet: id, neighbours)."""
    return f"{MODELS}/{generation}/song_neighbours"


def lists_path(generation: str) -> str:
    """Return the lake path of the listeners' nightly lists (Parquet: id, songs)."""
    return f"{MODELS}/{generation}/nightly_lists"


def neighbours_collection(generation: str) -> str:
    """Return the MongoDB collection of a generation's session neighbours."""
    return f"song_neighbours_{generation}"


def lists_collection(generation: str) -> str:
    """Return the MongoDB collection of a generation's nightly lists."""
    return f"nightly_lists_{generation}"


def manifest_key(generation: str) -> str:
    """Return the object key of a generation's manifest; it is written last."""
    return f"{MODELS}/{generation}/manifest.json"


def report_key(generation: str) -> str:
    """Return the object key of a generation's report: how good it is on the last days."""
    return f"{MODELS}/{generation}/report.json"


def report_page_key(generation: str) -> str:
    """Return the object key of the same report as a page for people."""
    return f"{MODELS}/{generation}/report.html"


def daily_report_key(day: date) -> str:
    """Return the object key of the page that says how a morning (UTC) found everything."""
    return f"{DAILY_REPORTS}/{day.isoformat()}.html"


def popularity(days: float) -> str:
    """Return what a report calls the baseline that lists the songs most played in so many days."""
    return f"popularity {int(days)} d"


def comparison_key(before: str, after: str) -> str:
    """Return the object key of the page that shows two generations' lists side by side.

    Examples:
        >>> comparison_key("g20261121T0200_1a2b3c4d", "g20261122T0200_5e6f7a8b")
        'models/g20261122T0200_5e6f7a8b/compare_g20261121T0200_1a2b3c4d.html'
    """
    return f"{MODELS}/{after}/compare_{before}.html"


COVERS = "covers"
AUDIO = "audio"
"""Folders of the media bucket. The endings of the keys below them are part of the name and no
more: what an object is, its content type says."""

LONGEST_OBJECT_NAME = 200
"""MinIO keeps a part of a key as a file name, which may have 255 bytes."""


def cover_key(track_id: str) -> str:
    """Return the object key of a song's cover in the media bucket."""
    return f"{COVERS}/{_object_name(track_id)}.svg"


def audio_key(track_id: str) -> str:
    """Return the object key of a song's audio in the media bucket.

    Examples:
        >>> audio_key("song-00360")
        'audio/song-00360.mp3'
        >>> audio_key("a/b?")
        'audio/a%2Fb%3F.mp3'
    """
    return f"{AUDIO}/{_object_name(track_id)}.mp3"


def _object_name(track_id: str) -> str:
    """Return a name of one part for any id: another id never has the same one."""
    name = quote(track_id, safe="", errors="replace")
    if len(name) <= LONGEST_OBJECT_NAME:
        return name
    digest = hashlib.sha256(track_id.encode(errors="replace")).hexdigest()
    return f"={digest}"  # a quoted name has no equals sign
