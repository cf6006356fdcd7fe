"""gunicorn's threaded worker, for clients that do not finish what they begin to send."""

import contextlib
import socket
import time
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

READ_SECONDS = 10.0
"""A request that is not there and answered by then is read no further."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """Ends requests that dribble in.

    The threads of gunicorn's own worker read without a limit of time, so that as many slow
    clients as there are threads would keep everybody else out for good.
    """

    def init_process(self) -> None:
        """Serve until told to stop."""
        self._busy: dict[TConn, float] = {}
        super().init_process()

    def handle(self, conn: TConn) -> Any:
        """Read and answer one request, and remember since when."""
        self._busy[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self._busy.pop(conn, None)

    def notify(self) -> None:
        """Say that the worker lives (once a second), and close what takes too long to come."""
        super().notify()
        oldest = time.monotonic() - READ_SECONDS
        for conn, since in list(self._busy.items()):
            if since < oldest:
                # Its thread finds the end of the input; an answer on its way goes out all the same.
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)
