"""A store that does not answer is an error that people can read."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from pymongo.errors import PyMongoError

from jobs.contract.errors import StoreAway
from jobs.stores.vectors import AWAY


@contextmanager
def stores_named() -> Iterator[None]:
    """Turn what the clients of the stores raise into StoreAway, which says what to do."""
    try:
        yield
    except PyMongoError as error:
        raise StoreAway(_said("MongoDB", error)) from error
    except (BotoCoreError, ClientError) as error:
        raise StoreAway(_said("MinIO", error)) from error
    except AWAY as error:
        raise StoreAway(_said("Milvus", error)) from error


def _said(store: str, error: Exception) -> str:
    return (
        f"{store} does not answer as it should; what was live stays. See `make status`, then run "
        f"this again: {str(error)[:300]}"
    )
