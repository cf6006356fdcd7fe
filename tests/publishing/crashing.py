"""A publication or an index that dies, or waits for a rival, at a chosen step.

Usage: crashing.py STEP GENERATION..., the steps are those of STEPS; `race FILE GENERATION` waits
behind its checks until FILE is there.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs import build_index, publish
from jobs.smoke import Smoke
from jobs.stores.documents import Documents
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors

MAX_WAIT_SECONDS = 120


def die(*_: Any, **__: Any) -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(function: Callable[..., Any]) -> Callable[..., None]:
    """Return what does its work and then dies."""

    def work(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        die()

    return work


STEPS: dict[str, tuple[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "publish: before the checks": (publish.Publisher, "_check", lambda _: die),
    "publish: after the smoke test": (Smoke, "test", then_die),
    "publish: between pointer and states": (Generations, "settle", lambda _: die),
    "publish: before the alias": (Vectors, "point_alias", lambda _: die),
    "publish: in the middle of a removal": (Documents, "drop_vectors", then_die),
    "index: between Milvus and MongoDB": (build_index, "write_user_vectors", lambda _: die),
    "index: after the user vectors": (build_index, "write_lists", lambda _: die),
}


def wait_for(path: Path) -> None:
    """Say that this process is there, and wait until it may go on."""
    path.with_suffix(f".{os.getpid()}").touch()
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def main() -> int:
    """Set the trap and run the job."""
    step, *generations = sys.argv[1:]
    if step == "race":
        path, *generations = generations
        test = Smoke.test

        def test_and_wait(self: Smoke, generation: str) -> None:
            test(self, generation)
            wait_for(Path(path))

        Smoke.test = test_and_wait  # type: ignore[method-assign]
        return publish.main(generations)
    owner, name, trap = STEPS[step]
    setattr(owner, name, trap(getattr(owner, name)))
    job = build_index if step.startswith("index") else publish
    return job.main(generations)


if __name__ == "__main__":
    sys.exit(main())
