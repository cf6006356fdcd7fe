"""POST /dev/token: a listener token for anyone who asks. Only in the local stack."""

from flask import Blueprint, Response, jsonify

from jobs.contract.tokens import listener_token
from serving.intake import Id
from serving.services import services
from serving.views.params import Body, body

bp = Blueprint("dev", __name__, url_prefix="/dev")


class TokenRequest(Body):
    """Who the token shall speak for."""

    user_id: Id


@bp.post("/token")
def token() -> Response:
    """Return a token and how long it lives."""
    settings = services().settings
    user_id = body(TokenRequest).user_id
    response = jsonify(
        user_id=user_id,
        token=listener_token(settings, user_id),
        expires_in=settings.token_hours * 3600,
    )
    response.headers["Cache-Control"] = "no-store"
    return response
