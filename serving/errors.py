"""Every error as application/problem+json (RFC 9457), and a request id on every answer."""

import contextlib
import json
import logging
import re
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from flask import Flask, Response, g, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from serving.recommend.sources import Away

RETRY_SECONDS = 5
MOST_IGNORED_BYTES = 32 << 20
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = logging.getLogger(__name__)


class Problem(Exception):
    """An answer that is an error; `errors` are wrong fields of the request, and why."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


def invalid_request(error: ValidationError) -> Problem:
    """Return the problem that names every wrong field of a request."""
    return Problem(HTTPStatus.BAD_REQUEST, "the request is not as it should be", faults(error))


def faults(error: ValidationError) -> list[tuple[str, str]]:
    """Return each wrong field, dotted, and why."""
    return [
        (".".join(map(str, e["loc"])), e["msg"])
        for e in error.errors(include_url=False, include_input=False)
    ]


def unavailable(part: str) -> Problem:
    """Return the problem for what only a store that is away could answer."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{part} does not answer; send the same request again",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


def init_errors(app: Flask) -> None:
    """Let every error of the app leave as a problem, and every answer carry its request id.

    When a request began is in `g.began`, for whoever measures it.
    """
    app.before_request(_name_request)
    app.after_request(_sign_answer)
    app.register_error_handler(Problem, _answer)
    app.register_error_handler(Away, lambda away: _answer(unavailable(away.part)))
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, _unforeseen)


def _name_request() -> None:
    g.began = time.perf_counter()
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex


def _sign_answer(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    return response


def _answer(problem: Problem) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
        "request_id": g.request_id,
    }
    if problem.errors:
        body["errors"] = [{"field": field, "detail": why} for field, why in problem.errors]
    response = Response(
        json.dumps(body), status=problem.status, content_type="application/problem+json"
    )
    response.headers.update(problem.headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def http_error(error: HTTPException) -> Response:
    """Return an error of the framework as a problem."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        _read_on()
    headers = {k: v for k, v in error.get_headers(request.environ) if k != "Content-Type"}
    return _answer(Problem(status, error.description or status.description, headers=headers))


def _read_on() -> None:
    """Take in the rest of a body that is too long, so that its sender gets to read the answer."""
    body, left = request.environ["wsgi.input"], MOST_IGNORED_BYTES
    with contextlib.suppress(OSError, ValueError):
        while left > 0 and (chunk := body.read(min(left, 1 << 16))):
            left -= len(chunk)


def _unforeseen(error: Exception) -> Response:
    log.error("request %s failed", g.request_id, exc_info=error)
    return _answer(
        Problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "this is a fault of the server; its log has more under the request id",
        )
    )
