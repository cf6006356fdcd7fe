"""How long each part of a job takes, for the job's summary."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def phase(job: str, name: str) -> Iterator[None]:
    """Print `<job>: <name> took <seconds> s` when the block ends well."""
    started = time.monotonic()
    yield
    print(f"{job}: {name} took {time.monotonic() - started:.1f} s", flush=True)
