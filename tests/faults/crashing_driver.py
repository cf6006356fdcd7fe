"""A stream driver that dies at a chosen point of its next batch: `before_count`, `after_count`."""

import os
import signal
import sys
from typing import Any

from jobs import stream_plays
from jobs.stream_batches import Batches


def die(*_: Any) -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the driver with a trap in it."""
    count = Batches._count
    if sys.argv[1] == "before_count":
        Batches._count = die  # type: ignore[method-assign]
    else:

        def count_and_die(self: Batches, *arguments: Any) -> None:
            count(self, *arguments)
            die()

        Batches._count = count_and_die  # type: ignore[method-assign]
    stream_plays.main([])


if __name__ == "__main__":
    main()
