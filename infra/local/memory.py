"""How much memory the stack and what runs beside it take at their peak."""

import threading
from pathlib import Path
from types import TracebackType

import psutil

from infra.local.processes import members

SAMPLE_SECONDS = 2.0


class PeakMemory:
    """Samples, while it is open, the proportional set size of our children, and of a stack's.

    `state` is the folder of the stack, or None where only what this process starts counts.
    """

    def __init__(self, state: Path | None = None) -> None:
        self._state = state
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.peak_gib = 0.0

    def __enter__(self) -> "PeakMemory":
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
        me = psutil.Process()
        while not self._stop.wait(SAMPLE_SECONDS):
            stack = members(self._state) if self._state else []
            ours = {p.pid: p for p in [me, *me.children(recursive=True), *stack]}
            total = sum(_proportional(process) for process in ours.values())
            self.peak_gib = max(self.peak_gib, total / 2**30)


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0
