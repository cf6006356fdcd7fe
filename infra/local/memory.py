"""How much memory the stack and what runs beside it take at their peak."""

import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from infra.local.processes import members


class _Sampling:
    """Looks at once when it opens, and then every so many seconds until it closes."""

    seconds = 2.0

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        self._look()
        while not self._stop.wait(self.seconds):
            self._look()

    def _look(self) -> None:
        raise NotImplementedError


class PeakMemory(_Sampling):
    """Samples, while it is open, the proportional set size of our children, and of a stack's.

    `state` is the folder of the stack, or None where only what this process starts counts.
    """

    def __init__(self, state: Path | None = None) -> None:
        super().__init__()
        self._state = state
        self.peak_gib = 0.0

    def _look(self) -> None:
        me = psutil.Process()
        stack = members(self._state) if self._state else []
        ours = {p.pid: p for p in [me, *me.children(recursive=True), *stack]}
        total = sum(_proportional(process) for process in ours.values())
        self.peak_gib = max(self.peak_gib, total / 2**30)


class PeakOfSpark(_Sampling):
    """Samples, while it is open, this process as a Spark driver: each part of it by itself.

    `peak_gib` has `driver` (its Python), `jvm` and `workers` (all Python workers together).
    Resident memory, but the proportional one of workers, which share pages with each other.
    """

    seconds = 0.5  # a fit of small data takes few seconds, and a look some 15 ms

    def __init__(self) -> None:
        super().__init__()
        self.peak_gib = {"driver": 0.0, "jvm": 0.0, "workers": 0.0}

    def _look(self) -> None:
        me = psutil.Process()
        now = Counter({"driver": me.memory_info().rss})
        for child in me.children(recursive=True):
            try:
                if child.name() == "java":
                    now["jvm"] += child.memory_info().rss
                else:
                    now["workers"] += _proportional(child)
            except psutil.Error:
                continue  # it has ended
        for part, size in now.items():
            self.peak_gib[part] = max(self.peak_gib[part], size / 2**30)


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
