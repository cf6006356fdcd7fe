"""Make what the stores must hold before anything else runs: buckets, topic, indexes, password."""

import sys
import time
from collections.abc import Callable

from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

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
    settings = load_settings()
    patiently("buckets", lambda: ensure_buckets(settings))
    patiently("indexes", lambda: Documents(settings).ensure_indexes())
    patiently("topic", lambda: ensure_topic(settings))
    patiently("Milvus password", lambda: ensure_milvus_password(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
