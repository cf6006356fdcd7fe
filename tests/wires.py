"""Stores behind TCP wires that can be cut, left without an answer, slowed down or spoiled."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Literal
from urllib.parse import urlsplit

from infra.local.config import own_keys
from infra.local.install import ROOT
from tests.integration.stack import Stack

How = Literal["cut", "silent", "lost", "slow", "garbage"]
SLOW_SECONDS = 2.0


class Wire:
    """Carries bytes between clients and one store; `address` is what clients connect to."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._to = (parts.hostname or "127.0.0.1", parts.port or 0)
        self._open: list[socket.socket] = []
        self._how: How | None = None
        self.port = self._listen(0)
        before, _, behind = address.rpartition(f":{parts.port}")
        self.address = f"{before}:{self.port}{behind}"

    def break_it(self, how: How) -> None:
        """Cut the wire (connections are refused), or spoil what the store answers.

        What is lost stays so: its connections are silent even after the wire was mended.
        """
        self._how = how
        if how != "cut":
            return
        # Only shutdown wakes the thread that waits in accept; close alone leaves the port open.
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def mend(self) -> None:
        """Carry again as it should."""
        self._how = None
        if self._server.fileno() == -1:
            self._listen(self.port)

    def _listen(self, port: int) -> int:
        self._server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
        return int(self._server.getsockname()[1])

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                try:
                    far = socket.create_connection(self._to)
                except OSError:
                    near.close()
                    continue
                self._open += [near, far]
                for source, sink, answers in ((near, far, False), (far, near, True)):
                    ends = (source, sink, answers)
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        lost = False
        with suppress(OSError):
            while data := source.recv(65536):
                lost = lost or self._how == "lost"
                if lost or self._how == "silent":
                    continue
                if self._how == "slow" and answers:
                    time.sleep(SLOW_SECONDS)
                if self._how == "garbage" and answers:
                    data = os.urandom(len(data))
                sink.sendall(data)
            sink.close()


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wired_app(
    stack: Stack, log: str, **changes: str
) -> tuple[str, "subprocess.Popen[bytes]", dict[str, Wire]]:
    """Start an app that reaches every store over a wire; `changes` are more settings.

    Returns its address, its process and the wires; nothing has been waited for.
    """
    settings = stack.settings
    wires = {
        "mongodb": Wire(settings.mongo_uri),
        "milvus": Wire(settings.milvus_uri),
        "redis": Wire(settings.redis_url),
    }
    port = free_port()
    own = {
        "NOCTURNE_MONGO_URI": f"{wires['mongodb'].address}/?directConnection=true",
        "NOCTURNE_MILVUS_URI": wires["milvus"].address,
        "NOCTURNE_REDIS_URL": wires["redis"].address,
        "NOCTURNE_RATE_LIMIT": "1000000/minute",
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "serving/gunicorn_conf.py"]
    command += ["--bind", f"127.0.0.1:{port}", "serving.wsgi:app"]
    environment = os.environ | stack.env | own_keys(stack.local.state)["app"] | own | changes
    with (stack.local.state / "logs" / log).open("a") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr)
    return f"http://127.0.0.1:{port}", process, wires
