"""Structured logs: one JSON object a line, with the id of the request; no token, no secret."""

import logging
import re
import sys
import time

from flask import Flask, Response, g, has_request_context, request
from pythonjsonlogger.json import JsonFormatter

SECRET = re.compile(r"(?i)(bearer\s+|token=|://[^/\s:@]*:)[^\s\"'&@]+")

log = logging.getLogger("serving.requests")


class Formatter(JsonFormatter):
    """Adds the request's id, and blanks what looks like a token or a password."""

    def format(self, record: logging.LogRecord) -> str:
        if has_request_context() and "request_id" in g:
            record.request_id = g.request_id
        return SECRET.sub(r"\1***", super().format(record))


def init_logs(app: Flask) -> None:
    """Write the app's logs to stderr, and a line for each request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        Formatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "at", "levelname": "level"},
        )
    )
    root = logging.getLogger("serving")
    root.handlers = [handler]
    root.propagate = False
    root.setLevel(logging.INFO)
    app.after_request(_end)


def _end(response: Response) -> Response:
    # The route's template, never the path: it may hold ids, and the query a search.
    route = request.url_rule.rule if request.url_rule else "-"
    took = (time.perf_counter() - g.began) * 1000
    level = logging.WARNING if response.status_code >= 500 else logging.INFO
    fields = {
        "method": request.method,
        "route": route,
        "status": response.status_code,
        "ms": round(took, 1),
    }
    log.log(level, "answered", extra=fields)
    return response
