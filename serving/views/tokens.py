"""DELETE /token: a listener signs out, and the token is good no more."""

from http import HTTPStatus

from flask import Blueprint, Response

from serving.errors import Problem
from serving.services import services

bp = Blueprint("tokens", __name__)


@bp.delete("/token")
def revoke() -> Response:
    """Revoke the token that is presented; a problem 503 while MongoDB is away."""
    claims = services().doors.require("listen")
    if not claims.token_id:
        raise Problem(HTTPStatus.CONFLICT, "the token has no id: it can only expire")
    services().stores.mongo.call(lambda mongo: mongo.revocations.revoke_token(claims))
    services().doors.forget()
    return Response(status=HTTPStatus.NO_CONTENT)
