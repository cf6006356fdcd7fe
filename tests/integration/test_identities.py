"""What each program's key of the object store opens; that Kafka and Redis take nobody else."""

import json
from contextlib import closing

import pytest
import redis
from botocore.exceptions import ClientError
from minio.error import MinioAdminException

from infra.local.config import stack_secrets
from infra.local.init import minio_admin
from infra.local.processes import members
from jobs.contract import names
from jobs.stores.events import BrokerUnavailable, EventLog
from jobs.stores.media import Media
from jobs.stores.objects import Objects

SONG = "identities-song"
LISTENERS = f"{names.user_factors_path('identities')}/part-0.parquet"
SONGS = f"{names.item_factors_path('identities')}/part-0.parquet"
LOG = f"{names.RAW_LOGS}/identities.parquet"


@pytest.fixture(scope="module")
def known(stack):
    """An object of each kind, put there by the jobs' key."""
    objects, settings = Objects(stack.settings), stack.settings
    there = [(settings.lake_bucket, key) for key in (LISTENERS, SONGS, LOG)]
    there += [(settings.media_bucket, key(SONG)) for key in (names.audio_key, names.cover_key)]
    for bucket, key in there:
        objects.put(bucket, key, b"x", "image/png")
    yield there
    for bucket, key in there:
        objects.delete_below(bucket, key)


def opened(settings, there) -> dict[str, str]:
    """Return for each object what may be done: read, write, list beside it."""
    objects = Objects(settings)
    acts = {
        "r": lambda bucket, key: objects.get(bucket, key),
        "w": lambda bucket, key: objects.put(bucket, key, b"x", "image/png"),
        "l": lambda bucket, key: objects.keys(bucket, f"{key.rpartition('/')[0]}/"),
    }
    return {key: "".join(a for a in acts if allowed(acts[a], bucket, key)) for bucket, key in there}


def allowed(act, bucket: str, key: str) -> bool:
    try:
        act(bucket, key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("program", "listeners", "songs", "log", "media"),
    [
        ("app", "", "rl", "", "r"),
        ("stream", "", "", "rwl", ""),
        ("jobs", "rwl", "rwl", "rwl", "rwl"),
    ],
)
def test_a_key_opens_what_its_program_needs(stack, known, program, listeners, songs, log, media):
    settings = stack.settings if program == "jobs" else stack.settings_of(program)
    assert opened(settings, known) == {
        LISTENERS: listeners,
        SONGS: songs,
        LOG: log,
        names.audio_key(SONG): media,
        names.cover_key(SONG): media,
    }


def test_serving_sees_a_cover_and_that_there_is_none(stack, known):
    with closing(Media(stack.settings_of("app"), 5)) as media:
        assert media.cover(SONG).body == b"x"
        assert media.cover("identities-nothing") is None


def test_no_key_but_the_root_key_administers(stack):
    root = stack.settings_of("init")
    assert {"jobs", "serving", "stream"} <= json.loads(minio_admin(root).user_list()).keys()


@pytest.mark.parametrize("program", ["app", "stream", "jobs"])
def test_others_administer_nothing(stack, program):
    settings = stack.settings if program == "jobs" else stack.settings_of(program)
    admin = minio_admin(settings)
    for act in (
        admin.user_list,
        admin.info,
        lambda: admin.user_add("more", "more-secret"),
        lambda: admin.policy_set("consoleAdmin", user=settings.s3_access_key),
    ):
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            act()
    with pytest.raises(ClientError, match=r"AccessDenied|403"):
        Objects(settings).ensure_bucket("identities-more")


def test_a_program_runs_with_its_own_key_and_only_the_store_with_the_root_key(stack):
    """The app wipes its environment: tests/integration/test_media.py sees its key in addresses."""
    root = stack_secrets(stack.local.state)["s3"]
    programs = ("stream", "af-scheduler", "af-triggerer", "kafka", "minio")
    given = [(n, p.environ()) for n in programs for p in members(stack.local.state, n)]
    assert {n for n, env in given if root in env.values()} == {"minio"}
    assert {env["NOCTURNE_S3_ACCESS_KEY"] for n, env in given if n == "stream"} == {"stream"}


@pytest.mark.parametrize("changed", [{"kafka_user": ""}, {"kafka_password": "wrong"}])
def test_kafka_takes_no_event_of_a_stranger(stack, changed):
    with closing(EventLog(stack.settings)) as known:
        known.ping(10)
    with closing(EventLog(stack.settings.model_copy(update=changed), 2)) as strange:
        with pytest.raises(BrokerUnavailable):
            strange.ping(2)
        with pytest.raises(BrokerUnavailable):
            strange.send([("stranger", b"{}")])


def test_redis_answers_no_stranger(stack):
    strange = redis.Redis(port=stack.local.redis_port)
    with closing(strange), pytest.raises(redis.AuthenticationError):
        strange.ping()
