"""What a job says of its work: how long each part took, and what went in and came out."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from jobs.contract.settings import Settings
from jobs.stores.job_phases import JobPhases

PROGRESS_SECONDS = 5.0


@contextmanager
def phase(job: str, settings: Settings, name: str) -> Iterator[None]:
    """Print `<job>: <name> took <seconds> s`, and keep it, when the block ends well."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    print(f"{job}: {name} took {took:.1f} s", flush=True)
    with closing(JobPhases(settings)) as phases:
        phases.ended(job, name, took)


def summary(job: str, rows_in: int, rows_out: int, rejected: int, seconds: float) -> str:
    """Return the table that ends a job's log: rows read, written and refused, and its seconds."""
    head = f"{'':24}{'rows in':>12}{'rows out':>12}{'rejected':>12}{'seconds':>10}"
    return f"{head}\n{job:24}{rows_in:12,}{rows_out:12,}{rejected:12,}{seconds:10.1f}"


class Progress:
    """Prints how far a long step is, every few seconds."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._due = time.monotonic() + PROGRESS_SECONDS

    def step(self, done: int) -> None:
        """Say that so many of all are done."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PROGRESS_SECONDS
            print(f"{self._what}: {done:,} of {self._total:,} {self._unit}", flush=True)
