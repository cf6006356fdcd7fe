"""The listening event: on the wire (JSON on the topic) and as a row of `raw/logs`."""

from enum import StrEnum

from jobs.contract.fields import Field


class Action(StrEnum):
    """What the listener did. A play, wherever plays are counted, is a `LISTEN`."""

    LISTEN = "listen"
    SKIP = "skip"
    COMPLETE = "complete"


class Source(StrEnum):
    """Who made the event."""

    SIMULATION = "simulation"
    REAL_USER = "real_user"


ORIGINS = (
    *("shelf:made_for_you", "shelf:because", "shelf:new_for_you", "shelf:popular"),
    *("shelf:continue", "shelf:similar", "manual", "smart", "search", "link"),
)
"""Where the songs of our own player come from; another player may have other words."""

MAX_TRACK_SECONDS = 24 * 3600
MAX_MESSAGE_BYTES = 64 * 1024
MAX_ID_LENGTH = 128
SESSION_GAP_SECONDS = 30 * 60
"""A session is the plays of one listener with gaps under this."""

EVENT = (
    Field("event_id", "string", False, "made by the sender once and kept over retries"),
    Field("play_id", "string", True, "one listening of one song"),
    Field("user_id", "string", False, "the listener"),
    Field("track_id", "string", False, "the song"),
    Field("timestamp", "bigint", False, "when it happened, epoch milliseconds, UTC"),
    Field("action", "string", False, "listen, skip or complete"),
    Field("duration", "int", True, "seconds heard; null where an imported log has none"),
    Field("total_duration", "int", True, "seconds the song lasts; null where unknown"),
    Field("source", "string", False, "simulation or real_user"),
    Field("listened_ms", "bigint", True, "milliseconds heard, without pauses and seeks"),
    Field("position_ms", "bigint", True, "where in the song the listener was"),
    Field("cause", "string", True, "why it ended: ended, next, pick, ban, scrub, ..."),
    Field("origin", "string", True, "where the song came from: shelf:<id>, manual, smart, ..."),
    Field("request_id", "string", True, "of the answer that recommended the song"),
    Field("generation", "string", True, "of the answer that recommended the song"),
    Field("rank", "int", True, "place in the answer that recommended the song, from 1"),
)
"""One row per event, as its sender wrote it. `event_id` is unique per event."""

PLACE = ["kafka_partition", "kafka_offset"]
"""Columns that say which message of the topic a row came from."""

LAKE_ONLY = (
    Field("received_at", "timestamp", False, "when the broker or the import had it"),
    Field("kafka_partition", "int", True, "null for imported history"),
    Field("kafka_offset", "bigint", True, "null for imported history"),
    Field("import_id", "string", True, "SHA-256 of the imported file; null for streamed events"),
    Field("date", "date", False, "UTC day of `timestamp`; the partition"),
)

RAW_LOG = EVENT + LAKE_ONLY
"""`raw/logs`: one row per valid event, partitioned by `date`."""

QUARANTINE_LOG = (
    Field("raw", "binary", False, "the message or source row as it came (rows as JSON)"),
    Field("reason", "string", False, "why it was refused, a short code"),
    Field("received_at", "timestamp", False, "when the broker or the import had it"),
    Field("kafka_partition", "int", True, "null for imported history"),
    Field("kafka_offset", "bigint", True, "null for imported history"),
    Field("import_id", "string", True, "SHA-256 of the imported file; null for streamed events"),
    Field("date", "date", False, "UTC day of `received_at`; the partition"),
)
"""`quarantine/logs`: one row per refused event, partitioned by `date`."""

REMOVED_OFFSET = (
    Field("kafka_partition", "int", False, "where the messages were"),
    Field("first_offset", "bigint", False, "the first one that the log tables lack"),
    Field("last_offset", "bigint", False, "the last one, inclusive"),
    Field("reason", "string", False, "`erased`, or `retention`: Kafka had dropped them unread"),
    Field("removed_at", "timestamp", False, "when they were written down here"),
)
"""`audit/removed_offsets`: which messages are in neither log table, and why. Nothing personal."""


class Removal(StrEnum):
    """Why a message is in neither log table."""

    ERASED = "erased"
    RETENTION = "retention"


DUPLICATE = "duplicate_event"
"""Reason in `quarantine/logs` of an event whose `event_id` the lake has already."""
