"""GET /songs/<id>/stream: the audio, from the object store. GET /songs/<id>/cover: an image."""

from http import HTTPStatus
from typing import Annotated, Literal

from flask import Blueprint, Response, request
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from jobs.stores import media
from serving.covers import SIZES, SVG
from serving.errors import Problem, unavailable
from serving.intake import Id
from serving.services import services
from serving.views.params import Query, query

DAY = 86400
SOON = 60
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

bp = Blueprint("media", __name__)
usable_id = TypeAdapter(Id)


def _size(text: object) -> object:
    sizes = {str(size): size for size in SIZES}
    return sizes.get(text, text) if isinstance(text, str) else text


class CoverQuery(Query):
    """Width and height in pixels; a stored cover is given as it is."""

    size: Annotated[Literal[96, 256, 512], BeforeValidator(_size)] = 256


@bp.get("/songs/<track_id>/stream")
def stream(track_id: str) -> Response:
    """Lead to the song's audio for a while; the store answers 404 where there is none."""
    try:
        address = services().audio.link(usable_id.validate_python(track_id))
    except ValidationError:
        raise Problem(HTTPStatus.NOT_FOUND, "there is no song of such an id") from None
    except media.AWAY:
        raise unavailable("media") from None
    response = Response(status=HTTPStatus.TEMPORARY_REDIRECT)
    response.headers["Location"] = address
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/songs/<track_id>/cover")
def cover(track_id: str) -> Response:
    """Return the song's cover; one drawn from its id where there is none, or none to be had."""
    found = services().covers.find(track_id, query(CoverQuery).size)
    response = Response(found.cover.body, content_type=found.cover.content_type)
    response.set_etag(found.cover.etag)
    response.headers["Cache-Control"] = f"public, max-age={DAY if found.sure else SOON}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if found.cover.content_type == SVG:
        response.headers["Content-Security-Policy"] = SVG_POLICY
    response.make_conditional(request)
    return response
