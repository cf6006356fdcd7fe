"""Every setting of Nocturne: environment variables with the prefix `NOCTURNE_`."""

from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.contract.errors import SettingsError

PREFIX = "NOCTURNE_"


class Settings(BaseSettings):
    """Read from the environment once, at the edge, and passed on as an argument."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    environment: Literal["local", "production"] = Field(
        "production", description="`local` opens the development-only token endpoint."
    )
    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers.")
    kafka_user: str = Field("", description="User of Kafka (SASL/PLAIN); empty: it asks for none.")
    kafka_password: str = Field("", repr=False, description="That user's password.")
    kafka_topic: str = Field("music_log", description="Topic of listening events.")
    kafka_partitions: int = Field(2, ge=1, description="Partitions of a topic we create.")
    mongo_uri: str = Field("mongodb://127.0.0.1:27017", description="MongoDB connection string.")
    mongo_db: str = Field("nocturne", description="MongoDB database.")
    milvus_uri: str = Field("http://127.0.0.1:19530", description="Milvus address.")
    milvus_token: str = Field("", repr=False, description="Milvus `user:password`, if it asks.")
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False, description="Redis address.")
    s3_endpoint: str = Field("http://127.0.0.1:9000", description="S3 (MinIO) address.")
    s3_access_key: str = Field("", repr=False, description="S3 access key.")
    s3_secret_key: str = Field("", repr=False, description="S3 secret key.")
    lake_bucket: str = Field("datalake", description="Bucket of the data lake.")
    media_bucket: str = Field("media", description="Bucket of audio and covers.")
    media_url: str = Field(
        "", description="Address of S3 as browsers reach it; empty: the S3 address."
    )
    media_seconds: int = Field(
        300, ge=1, le=604_800, description="How long the address of a song's audio is good."
    )
    spark_master: str = Field("local[2]", description="Spark master of the jobs.")
    checkpoint_dir: str = Field(
        ".nocturne/checkpoints", description="Local folder of the stream's checkpoint."
    )
    supervisor_url: str = Field(
        "", repr=False, description="XML-RPC address of supervisord; empty: none is used."
    )

    code_version: str = Field(
        "", description="Version of the code, for manifests; empty: the git commit, if any."
    )

    window_days: int = Field(90, ge=1, le=3650, description="Days of plays that train a model.")
    rank: int = Field(96, ge=1, le=1024, description="Number of factors.")
    reg: float = Field(1.25, gt=0, description="ALS regularisation (MLlib's scaling).")
    alpha: float = Field(14.0, gt=0, description="ALS confidence of an average pair.")
    iterations: int = Field(15, ge=1, le=100, description="ALS iterations from scratch.")
    weighting: Literal["log", "linear", "clipped", "binary"] = Field(
        "log", description="How plays of a pair become its weight."
    )
    half_life: float = Field(
        0, ge=0, description="A play of so many days ago weighs half; 0: all weigh the same."
    )
    engine: Literal["exact", "mllib"] = Field(
        "exact", description="What fits ALS: exact, row by row from the last night's, or mllib."
    )
    warm_iterations: int = Field(
        2, ge=1, le=100, description="ALS iterations of a night that starts from the last one's."
    )
    chain_nights: int = Field(
        7, ge=1, description="Every so many nights exact starts from scratch; 1: each night."
    )
    exact_driver_pairs: int = Field(
        12_000_000, ge=0, description="Up to so many pairs, exact solves in the driver alone."
    )
    exact_broadcast_mib: int = Field(
        1024, ge=1, description="Vectors of one side above so many MiB are left to mllib."
    )
    seed: int = Field(42, description="Seed of training and sampling.")
    test_days: int = Field(
        14, ge=1, description="The last days of the window that an evaluation asks about."
    )
    gate_min_listeners: int = Field(
        30, ge=1, description="A metric of fewer listeners is shown, but decides nothing."
    )
    gate_tolerance: float = Field(
        0.02, ge=0, lt=1, description="Share of a metric that may be lost, besides noise."
    )
    gate_listeners_share: float = Field(
        0.95, ge=0, le=1, description="Listeners a candidate needs, of those of the live one."
    )
    gate_size_share: float = Field(
        0.7, ge=0, le=1, description="Songs and plays a candidate needs, of those of the live one."
    )
    gate_rejects: Literal["fail", "skip"] = Field(
        "fail", description="What a rejection does to the run of train_als: red, or green."
    )
    tuning_dir: str = Field(
        ".nocturne/tuning", description="Local folder of the studies of tune_als."
    )
    require_approval: bool = Field(
        False, description="A person must approve what passed the gate, in the Airflow UI."
    )
    min_plays: int = Field(100, ge=1, description="Fewer plays in the window: no training.")
    min_listeners: int = Field(10, ge=2, description="Fewer listeners: no training.")
    min_songs: int = Field(10, ge=2, description="Fewer songs: no training.")
    popular_songs: int = Field(200, ge=10, description="Songs in a generation's popular list.")
    popular_min_listeners: int = Field(
        3, ge=1, description="A song is popular with so many listeners, not with fewer."
    )
    neighbours: int = Field(100, ge=1, description="Session neighbours kept of each song.")
    list_songs: int = Field(100, ge=1, description="Songs in a listener's nightly list.")
    keep_generations: int = Field(3, ge=1, description="Servable generations that are kept.")
    index_type: Literal["HNSW", "IVF_FLAT"] = Field("HNSW", description="Milvus index.")
    min_index_recall: float = Field(
        0.95,
        ge=0,
        le=1,
        description="Recall@10 against exact search below which none is published.",
    )

    stream_trigger_seconds: int = Field(5, ge=1, description="Pause between micro-batches.")
    stream_max_offsets: int = Field(50_000, ge=1, description="Messages in one micro-batch.")
    stream_shuffle_partitions: int = Field(
        2, ge=1, description="Tasks, and state stores, of a micro-batch; fixed with the checkpoint."
    )
    stream_dedup_minutes: int = Field(
        10, ge=1, description="An event_id that comes again within this is dropped by the stream."
    )
    stream_stale_seconds: int = Field(
        40, ge=10, description="A driver without a heartbeat for this long is restarted."
    )
    stream_stuck_seconds: int = Field(
        180, ge=10, description="A driver with lag and no progress for this long is restarted."
    )
    stream_unwatched_seconds: int = Field(
        120, ge=30, description="The driver raises an alert when nobody watched it for this long."
    )
    alert_webhook: str = Field(
        "", repr=False, description="URL that gets each alert as JSON (POST); empty: none."
    )
    alert_email: str = Field(
        "",
        repr=False,
        pattern=r"^$|^smtps?://[^?\s]+\?from=[^&\s]+(&to=[^&\s]+)+$",
        description="Server that mails each alert, smtp://user:password@host:587?from=a@b&to=c@d; "
        "empty: none.",
    )
    night_begins: int = Field(
        0,
        ge=0,
        le=23,
        description="Hour (UTC) at which the night begins; all that runs nightly counts from it.",
    )
    night_hours: float = Field(
        6, gt=0, description="A nightly run that is not done after so many hours raises an alert."
    )
    lake_file_mb: int = Field(128, ge=1, description="Size of files that compaction writes, MiB.")
    lake_retention_days: int = Field(
        7, ge=1, description="Older versions of the log tables are vacuumed after this."
    )
    watch_seconds: int = Field(1800, ge=5, description="Length of one stream_supervisor watch.")
    lease_seconds: int = Field(60, ge=5, description="A lease that is not renewed ends after this.")

    serving_url: str = Field(
        "", description="Address of the app, which is asked before a publication; empty: is not."
    )
    token_secret: str = Field("", repr=False, description="Key that signs listener tokens.")
    token_hours: int = Field(24, ge=1, description="How long a listener token lives.")
    rate_limit: str = Field(
        "600/minute",
        pattern=r"^$|^\d+/(second|minute|hour)$",
        description="Requests of one token, or of one address without; empty: no limit.",
    )
    cors_origins: str = Field(
        "", description="Origins of other sites that may ask, with spaces between; empty: none."
    )
    trusted_proxies: int = Field(
        0, ge=0, description="Proxies before the app whose X-Forwarded headers are believed."
    )
    otlp_endpoint: str = Field(
        "", description="OpenTelemetry collector (OTLP over HTTP) that gets traces; empty: none."
    )
    min_track_ms: int = Field(
        30_000, ge=0, description="The player counts no listen of a song that is not longer, ms."
    )
    session_user_weight: float = Field(
        0.7, ge=0, le=1, description="Share of the listener in the session vector; rest: the song."
    )
    next_strategy: Literal["session_hybrid", "session_vector"] = Field(
        "session_hybrid", description="How the next song is found; evaluation measures both."
    )
    hybrid_user_share: float = Field(
        0.3, ge=0, le=1, description="Share of the listener in the hybrid's cosine; rest: the song."
    )
    hybrid_cosine_weight: float = Field(
        1.0, ge=0, description="Weight of the hybrid's cosine beside the session neighbours."
    )
    familiar: float = Field(
        0.5, ge=0, le=1, description="Largest share of heard songs in a home list."
    )
    rest_hours: float = Field(
        24.0, ge=0, description="A song that was heard or skipped rests for so many hours."
    )
    max_per_artist: int = Field(
        2, ge=1, description="Songs of one artist in one list, or in any five of a queue in a row."
    )
    store_timeout_ms: int = Field(
        1000, ge=50, description="How long serving waits for a store before the next rung."
    )


def load_settings(**given: Any) -> Settings:
    """Read the settings from the environment; a `given` value that isn't None comes first.

    Raises SettingsError that names each variable with a wrong value, and why.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']} (got {e['input']!r})"
            for e in error.errors()
        )
        raise SettingsError(f"wrong settings: {wrong}") from None
