"""Make what the stores must hold before anything else runs.

Buckets, MinIO's users, indexes, the topic, Milvus' password. All of it may be there already.
"""

import os
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from minio import MinioAdmin
from minio.credentials import StaticProvider
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from infra.local.identities import USERS, key_variable, policy
from jobs.contract.errors import SettingsError
from jobs.contract.settings import Settings, load_settings
from jobs.stores.documents import Documents
from jobs.stores.events import ensure_topic
from jobs.stores.objects import Objects

MILVUS_DEFAULT_PASSWORD = "Milvus"
MINUTES = 3


def ensure_buckets(settings: Settings) -> None:
    """Create both buckets unless they are there."""
    objects = Objects(settings)
    for bucket in (settings.lake_bucket, settings.media_bucket):
        objects.ensure_bucket(bucket)


def minio_admin(settings: Settings) -> MinioAdmin:
    """Return MinIO's administration, asked with the settings' key."""
    address = urlsplit(settings.s3_endpoint)
    return MinioAdmin(
        endpoint=address.netloc,
        credentials=StaticProvider(settings.s3_access_key, settings.s3_secret_key),
        secure=address.scheme == "https",
    )


def given_keys() -> dict[str, str]:
    """Return the secret key of each user of MinIO from the environment."""
    variables = {user: key_variable(user) for user in USERS}
    missing = [name for name in variables.values() if not os.environ.get(name)]
    if missing:
        raise SettingsError(f"{', '.join(missing)}: not set, but MinIO's users need a key each")
    return {user: os.environ[name] for user, name in variables.items()}


def ensure_users(settings: Settings, keys: dict[str, str]) -> None:
    """Make MinIO's users and their policies, or make them as they are to be."""
    admin = minio_admin(settings)
    for user, key in keys.items():
        admin.user_add(user, key)
        admin.policy_add(user, policy=policy(user, settings))
        admin.policy_set(user, user=user)


def ensure_milvus_password(settings: Settings) -> None:
    """Replace the password that every new Milvus starts with; that may have happened before."""
    user, _, password = settings.milvus_token.partition(":")
    try:
        MilvusClient(uri=settings.milvus_uri, token=settings.milvus_token, timeout=5).close()
    except MilvusException:  # a wrong password is reported as a connection that failed
        default = f"{user}:{MILVUS_DEFAULT_PASSWORD}"
        client = MilvusClient(uri=settings.milvus_uri, token=default, timeout=5)
        client.update_password(user, MILVUS_DEFAULT_PASSWORD, password)
        client.close()


def patiently(name: str, action: Callable[[], None]) -> None:
    """Repeat an action until the store behind it is up; raise its error after some minutes."""
    deadline = time.monotonic() + MINUTES * 60
    while True:
        try:
            action()
        except Exception as error:  # whatever a store that is still starting answers
            if time.monotonic() > deadline:
                raise
            print(f"init: {name} is not ready yet: {str(error)[:200]}", flush=True)
            time.sleep(1)
        else:
            print(f"init: {name} ready", flush=True)
            return


def main() -> int:
    """Initialise every store in turn."""
    settings, keys = load_settings(), given_keys()
    patiently("buckets", lambda: ensure_buckets(settings))
    patiently("users of MinIO", lambda: ensure_users(settings, keys))
    patiently("indexes", lambda: Documents(settings).ensure_indexes())
    patiently("topic", lambda: ensure_topic(settings))
    patiently("Milvus password", lambda: ensure_milvus_password(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
