"""POST /signin and POST /signout: the forms with which a browser gets its cookie and loses it."""

import contextlib
import re
from http import HTTPStatus
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from pydantic import TypeAdapter, ValidationError

from jobs.contract.tokens import InvalidToken, listener_token
from serving.doors import clear_cookie, from_elsewhere, set_cookie
from serving.errors import Problem
from serving.intake import Id
from serving.recommend.sources import Away
from serving.services import services

LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x1f\x7f-\x9f]*")
"""Browsers take `//host`, `/\\host` and these with a tab in between for another site."""

LONGEST_PATH = 2000

bp = Blueprint("signin", __name__)
usable_id = TypeAdapter(Id)


@bp.post("/signin")
def signin() -> Response:
    """Sign the browser in and lead to `next`; back to the page, with `refused`, where it fails.

    The form has a listener's `token`; in the local stack a `user_id` is enough.
    """
    if from_elsewhere():
        # Who is signed in by a stranger's page writes down a stranger's plays.
        raise Problem(HTTPStatus.FORBIDDEN, "this did not come from a page of this site")
    wanted = local_path(request.form.get("next", ""))
    doors = services().doors
    try:
        token = _token()
        claims = doors.read(token)
        if "listen" not in claims.scopes:
            raise InvalidToken("the token is not a listener's")
    except InvalidToken:
        return _see(f"/signin?{urlencode({'refused': 1, 'next': wanted})}")
    response = _see(wanted)
    set_cookie(response, token, claims)
    return response


@bp.post("/signout")
def signout() -> Response:
    """Sign the browser out; its token is revoked as well, unless MongoDB is away."""
    doors = services().doors
    claims = doors.claims()
    if claims is not None and claims.token_id:
        with contextlib.suppress(Away):
            services().stores.mongo.call(lambda mongo: mongo.revocations.revoke_token(claims))
            doors.forget()
    response = _see("/signin")
    clear_cookie(response)
    return response


def local_path(text: str) -> str:
    """Return a path of this site, as it was given where it is one; the home page else."""
    fits = len(text) <= LONGEST_PATH and LOCAL_PATH.fullmatch(text)
    return text if fits else "/"


def _token() -> str:
    """Return the form's token, or in the local stack one of the listener that it names."""
    settings = services().settings
    user_id = request.form.get("user_id")
    if user_id is None or settings.environment != "local":
        return request.form.get("token", "").strip()
    try:
        return listener_token(settings, usable_id.validate_python(user_id))
    except ValidationError:
        raise InvalidToken("there can be no listener of such an id") from None


def _see(path: str) -> Response:
    headers = {"Location": path, "Cache-Control": "no-store"}
    return Response(status=HTTPStatus.SEE_OTHER, headers=headers)
