"""The HTML pages: home, search, a song, settings and sign-in.

Every page is whole without JavaScript. The player asks for the contents of `<main>` only, so
that a link does not stop the music.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import NotFound

from serving import pages
from serving.catalogue import known_song
from serving.errors import Problem, http_error, unavailable
from serving.pages import Shown
from serving.recommend.climb import Wish
from serving.recommend.sources import Away
from serving.services import services, snapshot
from serving.views import recommend, songs

HOME_SONGS = 20
SIMILAR_SONGS = 12
LISTEN_SHARE = 0.5
LISTEN_CAP_MS = 240_000
SMART_VISIBLE = 3
ERROR_LIMIT = 3

bp = Blueprint("pages", __name__)


@bp.get("/")
def home() -> Response:
    """Show the shelves, or say why there are none."""
    user_id = _listener()
    if user_id is None:
        return _to_signin()
    dial = _dial()
    familiar = services().settings.familiar if dial is None else dial
    try:
        live = snapshot()
        wish = Wish(user_id, HOME_SONGS, recommend.now(), familiar=familiar)
        answer = recommend.home_page(wish, live)
    except Away as away:
        trouble = f"Part of Nocturne ({away.part}) does not answer. What plays goes on."
        return _page("home.html", "Home", shelves=[], trouble=trouble)
    is_new = answer.get("fallback") == "unknown_listener" and not answer["degraded"]
    trained = pages.trained(live.published_at, datetime.now(UTC))
    return _page(
        "home.html",
        "Home",
        shelves=[
            {**pages.shelf(row, answer, trained), "refresh": True} for row in answer["shelves"]
        ],
        notice="" if is_new else pages.notice(answer),
        is_new=is_new,
    )


@bp.get("/search")
def search() -> Response:
    """Show what is found; whoever does not prefer HTML gets the API's answer.

    This blueprint comes before the one of the songs, whose `/search` it stands before.
    """
    if not _prefers_html():
        response = songs.search()
        response.vary.add("Accept")
        return response
    text = " ".join(request.args.get("q", "").split())[:100]
    made: Shown = {"text": text, "here": pages.searching(text), "songs": [], "artists": []}
    try:
        answer = songs.search().get_json() if text else {"songs": [], "degraded": []}
    except Problem as problem:
        return _missing(problem)
    except Away as away:
        return _page("search.html", "Search", **made, trouble=f"{away.part} does not answer.")
    made |= {"songs": [pages.song(song) for song in answer["songs"]]}
    made |= {"artists": pages.artists(answer["songs"])}
    made["notice"] = "Only popular songs can be searched just now." if answer["degraded"] else ""
    return _page("search.html", f"{text} · Search" if text else "Search", **made)


@bp.get("/song/<track_id>")
def song(track_id: str) -> Response:
    """Show one song, and what goes with it."""
    try:
        found = known_song(track_id)
    except Problem as problem:
        return _missing(problem)
    except Away as away:
        return _missing(unavailable(away.part))
    shown = pages.song(found)
    made: Shown = {"song": shown, "root": request.url_root.rstrip("/")}
    try:
        wish = Wish(None, SIMILAR_SONGS, recommend.now(), found["track_id"])
        answer = recommend.queue(wish).get_json()
        row = {"id": "similar", "title": "Similar songs", "songs": answer["songs"]}
        made["similar"] = pages.shelf(row, answer) if answer["songs"] else None
    except Away as away:
        made["trouble"] = f"{away.part} does not answer."
    return _page("song.html", f"{shown['title']} · {shown['artist']}", **made)


@bp.get("/settings")
def settings() -> Response:
    """Show what can be chosen, and what the listener chose."""
    user_id = _listener()
    if user_id is None:
        return _to_signin()
    try:
        made: Shown = {"choices": pages.choices(user_id)}
    except Away as away:
        made = {"choices": [], "trouble": f"{away.part} does not answer."}
    return _page("settings.html", "Settings", **made)


@bp.get("/signin")
def signin() -> Response:
    """Show the demo listeners of the local stack; elsewhere, a field for a token."""
    local = services().settings.environment == "local"
    made: Shown = {"local": local, "people": [], "new_id": f"new-{uuid4().hex[:8]}"}
    made |= {"next": request.args.get("next", "/"), "refused": "refused" in request.args}
    try:
        made["people"] = pages.demo_listeners() if local else []
    except Away as away:
        made["trouble"] = f"{away.part} does not answer: only new listeners can come in."
    return _page("signin.html", "Sign in", **made)


@bp.app_errorhandler(NotFound)
def no_such_page(error: NotFound) -> Response:
    """Show that nothing is at an address; whoever does not prefer HTML gets a problem."""
    if not _prefers_html():
        return http_error(error)
    detail = "Nothing is at this address."
    return _missing(Problem(HTTPStatus.NOT_FOUND, detail), "page")


def _prefers_html() -> bool:
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]


def _listener() -> str | None:
    """Return who is signed in; a token that is no longer good is nobody's."""
    try:
        claims = services().doors.claims()
    except Problem:
        return None
    return claims.subject if claims else None


def _to_signin() -> Response:
    here = request.full_path.rstrip("?")
    headers = {"Location": "/signin?" + urlencode({"next": here})}
    return _private(Response(status=HTTPStatus.SEE_OTHER, headers=headers))


def _missing(problem: Problem, what: str = "song") -> Response:
    titles = {HTTPStatus.NOT_FOUND: f"There is no such {what}"}
    title = titles.get(problem.status, "This does not work just now")
    response = _page("missing.html", title, detail=problem.detail)
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


def _page(template: str, title: str, **made: Any) -> Response:
    """Render a page, or its `<main>` for a player that has the rest."""
    made |= {"title": title, "config": _config(_listener())}
    if request.headers.get("X-Fragment") == "main":
        response = Response(render_template(template, layout="fragment.html", **made))
        response.headers["X-Title"] = quote(title)
    else:
        theme = request.cookies.get("nocturne_theme")
        frame = pages.frame(theme if theme in ("light", "dark") else "auto")
        response = Response(render_template(template, layout="base.html", **frame, **made))
    return _private(response)


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.update(("Accept", "Cookie", "X-Fragment"))
    return response


def _dial() -> float | None:
    """Return how familiar the home page may be, as the player keeps it in a cookie."""
    try:
        dial = float(request.cookies.get("nocturne_familiar", ""))
    except ValueError:
        return None
    return dial if 0 <= dial <= 1 else None


def _config(user_id: str | None) -> Shown:
    return {
        "user_id": user_id,
        "signed_in": user_id is not None,
        "min_track_ms": services().settings.min_track_ms,
        "listen_share": LISTEN_SHARE,
        "listen_cap_ms": LISTEN_CAP_MS,
        "smart_visible": SMART_VISIBLE,
        "error_limit": ERROR_LIMIT,
    }
