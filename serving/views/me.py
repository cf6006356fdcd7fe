"""GET /me, GET /me/export, POST /me/erase: who is signed in, what is kept, and that it may go."""

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify

from serving.doors import clear_cookie
from serving.recommend.sources import Away
from serving.services import listener, services, snapshot
from serving.stores import Mongo

NOT_HERE = (
    "Every play since the first one is in the data lake. It is read by jobs of the operator "
    "alone: ask the operator for the rows of raw/logs that have your user_id."
)

bp = Blueprint("me", __name__, url_prefix="/me")


@bp.get("")
def me() -> Response:
    """Return who the token speaks for and until when."""
    claims = services().doors.require("listen")
    ends = datetime.fromtimestamp(claims.expires, UTC).isoformat()
    return _private(jsonify(user_id=claims.subject, expires_at=ends))


@bp.get("/export")
def export() -> Response:
    """Return all that serving keeps of the listener, as a file.

    A problem 503 while MongoDB or Redis is away: half of it would pass for the whole.
    """
    user_id = listener()
    generation = snapshot().generation

    def read(mongo: Mongo) -> dict[str, Any]:
        if generation is None:
            lists: dict[str, Any] = {"nightly_list": [], "plays_in_window": []}
        else:
            plays = mongo.lists.plays(generation, user_id)
            lists = {
                "nightly_list": mongo.lists.nightly(generation, user_id),
                "plays_in_window": [{"track_id": song, "plays": n} for song, n in plays],
            }
        return mongo.personal.of(user_id) | {"generation": generation} | lists

    stores = services().stores
    kept = stores.mongo.call(read)
    plays, skips = stores.cache.call(lambda cache: cache.memory(user_id))
    kept = {
        "user_id": user_id,
        "exported_at": datetime.now(UTC).isoformat(),
        **kept,
        "recent_plays": _times(plays),
        "recent_skips": _times(skips),
        "not_in_this_file": NOT_HERE,
    }
    whole = json.dumps(kept, ensure_ascii=False, indent=1, default=datetime.isoformat)
    response = Response(whole, content_type="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="nocturne-export.json"'
    return _private(response)


@bp.post("/erase")
def erase() -> tuple[Response, int]:
    """Ask for the listener's erasure, which the night applies; all their tokens end now.

    A problem 503 while MongoDB is away: nothing was asked for then.
    """
    user_id = listener()

    def ask(mongo: Mongo) -> int:
        requested_at = mongo.erasures.request(user_id).requested_at
        mongo.revocations.revoke_subject(user_id)
        return requested_at

    stores = services().stores
    requested_at = stores.mongo.call(ask)
    with contextlib.suppress(Away):  # the night looks there again
        stores.cache.call(lambda cache: cache.forget([user_id]))
    services().doors.forget()
    at = datetime.fromtimestamp(requested_at / 1000, UTC).isoformat()
    response = _private(jsonify(status="queued", requested_at=at))
    clear_cookie(response)
    return response, HTTPStatus.ACCEPTED


def _times(found: Sequence[tuple[str, int]]) -> list[dict[str, Any]]:
    return [
        {"track_id": track_id, "at": datetime.fromtimestamp(ms / 1000, UTC).isoformat()}
        for track_id, ms in found
    ]


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
