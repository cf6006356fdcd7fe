"""POST /client-errors: what went wrong in a player, counted and not kept."""

from http import HTTPStatus
from typing import Annotated, Literal, get_args

from flask import Blueprint, Response
from pydantic import Field

from jobs.contract.events import MAX_ID_LENGTH
from serving import metrics
from serving.views.params import Body, body

bp = Blueprint("client_errors", __name__)

Kind = Literal["media", "stall", "autoplay", "outbox", "script"]

for _kind in get_args(Kind):
    metrics.CLIENT_ERRORS.labels(_kind)  # 0, so that the first one shows as a change


class ClientError(Body):
    """A song that did not load or stood still, a refused start, lost plays, a fault of a script."""

    kind: Kind
    track_id: Annotated[str, Field(max_length=MAX_ID_LENGTH)] | None = None


@bp.post("/client-errors")
def count() -> Response:
    """Count it by kind."""
    metrics.CLIENT_ERRORS.labels(body(ClientError).kind).inc()
    return Response(status=HTTPStatus.NO_CONTENT)
