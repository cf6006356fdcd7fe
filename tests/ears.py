"""Who is told of alerts: a webhook and a mail server of the tests' own."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Webhook:
    """Keeps every alert that was posted, in order."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                told.append(json.loads(self.rfile.read(length)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, alert: str) -> list[dict[str, Any]]:
        """Return what was told of one alert."""
        return [news for news in self.told if news["alert"] == alert]

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


ANSWERS = {"EHLO": "250-tests\r\n250 AUTH PLAIN", "AUTH": "235 in", "QUIT": "221 bye"}


class _Mailbox(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._reply("220 tests")
        while line := self._line():
            verb = line.split()[0].upper()
            if verb == "DATA":
                self._reply("354 go on")
                while self._line() != ".":
                    pass
            self._reply(ANSWERS.get(verb, "250 ok"))

    def _line(self) -> str:
        line = self.rfile.readline().decode().rstrip("\r\n")
        self.server.lines.append(line)  # type: ignore[attr-defined]
        return line

    def _reply(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mailbox() -> Iterator[tuple[str, list[str]]]:
    """Yield the host and port of a mail server, and the lines that it was sent."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mailbox) as server:
        server.lines = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        yield f"{host!s}:{port}", server.lines  # type: ignore[attr-defined]
        server.shutdown()
