"""A store that does not answer is an error that people can read."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from pymongo.errors import PyMongoError

from jobs.contract.errors import StoreAway
from jobs.stores import cache
from jobs.stores.vectors import AWAY


@contextmanager
def stores_named(kept: str = "what was live stays") -> Iterator[None]:
    """Turn what the clients of the stores raise into StoreAway, which says what to do.

    `kept` is what the reader need not fear for.
    """
    try:
        yield
    except PyMongoError as error:
        raise StoreAway(_said("MongoDB", kept, error)) from error
    except (BotoCoreError, ClientError) as error:
        raise StoreAway(_said("MinIO", kept, error)) from error
    except AWAY as error:
        raise StoreAway(_said("Milvus", kept, error)) from error
    except cache.AWAY as error:
        raise StoreAway(_said("Redis", kept, error)) from error


def _said(store: str, kept: str, error: Exception) -> str:
    return (
        f"{store} does not answer as it should; {kept}. See `make status`, then run "
        f"this again: {str(error)[:300]}"
    )
