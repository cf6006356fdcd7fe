"""A publication or an index that dies, or waits, at a chosen step.

Usage: crashing.py STEP GENERATION... dies at one of STEPS; crashing.py STEP FILE GENERATION...
waits at one of WAITS until FILE is there.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymilvus import MilvusClient

from jobs import build_index, publish
from jobs.smoke import Smoke
from jobs.stores.documents import Documents
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors

MAX_WAIT_SECONDS = 120


def die(*_: Any, **__: Any) -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def second_dies(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what does its work once, and dies at the beginning of the second time."""
    times: list[None] = []

    def work(*arguments: Any, **named: Any) -> Any:
        times.append(None)
        if len(times) > 1:
            die()
        return function(*arguments, **named)

    return work


def then_die(function: Callable[..., Any]) -> Callable[..., None]:
    """Return what does its work and then dies."""

    def work(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        die()

    return work


def in_its_middle(function: Callable[..., Any], happens: Callable[[], None]) -> Any:
    """Return what writes half of a frame, lets it happen, and writes all of the frame."""

    def work(frame: Any, *arguments: Any) -> None:
        function(frame.limit(frame.count() // 2), *arguments)
        happens()
        function(frame, *arguments)

    return work


STEPS: dict[str, tuple[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "publish: before the checks": (publish.Publisher, "_check", lambda _: die),
    "publish: after the smoke test": (Smoke, "test", then_die),
    "publish: between pointer and states": (Generations, "settle", second_dies),
    "publish: right before the switch": (Generations, "switch", lambda _: die),
    "publish: before the alias": (Vectors, "point_alias", lambda _: die),
    "publish: in the middle of a removal": (Documents, "drop_vectors", then_die),
    "index: between Milvus and MongoDB": (build_index, "write_user_vectors", lambda _: die),
    "index: in the middle of the user vectors": (
        build_index,
        "write_user_vectors",
        lambda function: in_its_middle(function, die),
    ),
}


def after_it(function: Callable[..., Any], path: Path) -> Callable[..., None]:
    """Return what does its work and then waits."""

    def work(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        wait_for(path)

    return work


def before_it(function: Callable[..., Any], path: Path) -> Callable[..., Any]:
    """Return what waits and then does its work."""

    def work(*arguments: Any, **named: Any) -> Any:
        wait_for(path)
        return function(*arguments, **named)

    return work


WAITS: dict[str, tuple[Any, str, Callable[[Callable[..., Any], Path], Callable[..., Any]]]] = {
    "publish: before the switch": (Smoke, "test", after_it),
    "index: rows inserted": (MilvusClient, "flush", before_it),
    "index: half of the user vectors": (
        build_index,
        "write_user_vectors",
        lambda function, path: in_its_middle(function, lambda: wait_for(path)),
    ),
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
    if step in WAITS:
        path, *generations = generations
        owner, name, wait = WAITS[step]
        setattr(owner, name, wait(getattr(owner, name), Path(path)))
    else:
        owner, name, trap = STEPS[step]
        setattr(owner, name, trap(getattr(owner, name)))
    job = build_index if step.startswith("index") else publish
    return job.main(generations)


if __name__ == "__main__":
    sys.exit(main())
