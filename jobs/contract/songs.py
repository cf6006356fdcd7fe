"""The master data: songs and users as the ETL writes them."""

from jobs.contract.fields import Field

SONG = (
    Field("track_id", "string", False, "`_id` in MongoDB"),
    Field("title", "string", False, "as shown to people, trimmed"),
    Field("artist", "string", True, "display name; several artists joined by ', '"),
    Field("artist_id", "string", True, "null where the source has none and no name"),
    Field("album", "string", True, "as shown to people"),
    Field("genre", "string", True, "lower case"),
    Field("duration_ms", "int", True, "milliseconds; null where the source has none"),
    Field("release_date", "string", True, "YYYY, YYYY-MM or YYYY-MM-DD, as exact as the source"),
    Field("image_url", "string", True, "cover: http(s) URL, or null for the media bucket"),
    Field("url", "string", True, "page of the song at its source"),
)
"""`master/songs`: one row per track id. `plays_7d` and `plays_cumulative` in MongoDB are
counted from events and never written by the ETL."""

USER = (
    Field("user_id", "string", False, "`_id` in MongoDB"),
    Field("username", "string", True, "display name"),
    Field("likes", "string", True, "what they like, in words; null where the source has none"),
)
"""`master/users`: one row per listener. Vectors in MongoDB are written by the index job."""

REJECTED = (
    Field("raw", "string", False, "the source row as JSON"),
    Field("reason", "string", False, "why it was refused, a short code"),
    Field("source_file", "string", False, "the landing file it came from"),
)
"""Rows of a catalogue file that were refused; one row per source row."""

MAX_TRACK_MS = 24 * 3600 * 1000
