"""Static files under an address that changes with them, so that browsers may keep them for good."""

import mimetypes
from collections.abc import Callable
from pathlib import Path

import rcssmin
import rjsmin
from flask import Flask, Response, abort, request

from serving.pages import STATIC, static_root

YEAR = 365 * 86400
SMALLER: dict[str, Callable[[str], str]] = {".js": rjsmin.jsmin, ".css": rcssmin.cssmin}
"""Comments, which hold the types of the JavaScript, and blanks are for those who work on it."""


def init_static_files(app: Flask) -> None:
    """Serve `/static/<version>/...`, as `serving.pages.static` writes the addresses.

    A page that is older than the files asks for another version. It gets what there is now, but
    must not keep it.
    """
    files = {str(path.relative_to(STATIC)): _body(path) for path in STATIC.rglob("*.*")}

    def static(version: str, filename: str) -> Response:
        if filename not in files:
            abort(404)
        response = Response(files[filename], content_type=_kind(filename))
        current = static_root() == f"/static/{version}"
        kept = f"public, max-age={YEAR}, immutable" if current else "no-cache"
        response.headers["Cache-Control"] = kept
        response.add_etag()
        response.make_conditional(request)
        return response

    app.add_url_rule("/static/<version>/<path:filename>", "static", static)


def _body(path: Path) -> bytes:
    if path.suffix not in SMALLER:
        return path.read_bytes()
    return SMALLER[path.suffix](path.read_text("utf-8")).encode()


def _kind(filename: str) -> str:
    kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
