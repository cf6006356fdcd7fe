"""GET /songs, /songs/<id> and /search: the catalogue, open to everyone.

While MongoDB is away, they answer from the popular songs in memory and say so.
"""

import base64
import binascii
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request

from jobs.contract.events import MAX_ID_LENGTH
from jobs.stores.catalogue import Catalogue
from serving.errors import Problem, unavailable
from serving.recommend.sources import Away, Song
from serving.services import services
from serving.views.params import limit

DEFAULT_SONGS = 25
MAX_SONGS = 100
MAX_QUERY = 100
bp = Blueprint("songs", __name__)


@bp.get("/songs")
def page() -> Response:
    """Return songs by track id, and `next_cursor` while there are more."""
    most = limit(DEFAULT_SONGS, MAX_SONGS)
    cursor = request.args.get("cursor")
    after = None if cursor is None else _after(cursor)
    artist = request.args.get("artist_id")

    def remembered(song: Song) -> bool:
        behind = after is None or song["track_id"] > after
        return behind and (artist is None or song["artist_id"] == artist)

    # One more than asked for says whether there is a next page.
    songs, degraded = _listing(lambda c: c.page(after, most + 1, artist), remembered)
    if degraded:
        songs.sort(key=lambda song: str(song["track_id"]))
    shown = songs[:most]
    following = _cursor(shown[-1]) if len(songs) > most else None
    response = jsonify(songs=shown, next_cursor=following, degraded=degraded)
    if following:
        query = urlencode({**request.args.to_dict(), "cursor": following})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


@bp.get("/songs/<track_id>")
def one(track_id: str) -> Response:
    """Return one song; a problem 404 if there is none of that id."""
    song = None
    try:
        if len(track_id) <= MAX_ID_LENGTH:
            found = services().stores.mongo.call(lambda m: m.catalogue.songs([track_id]))
            song = found.get(track_id)
    except Away as away:
        held = (s for s in services().models.current().popular if s["track_id"] == track_id)
        song = next(held, None)
        if song is None:
            raise unavailable(away.part) from None
    if song is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no song {track_id!r}")
    return jsonify(song)


@bp.get("/search")
def search() -> Response:
    """Return songs with every word of `q` in title or artist, most played first."""
    text = request.args.get("q", "").strip()
    if not 1 <= len(text) <= MAX_QUERY:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "the request is not as it should be",
            [f"q: must have 1 to {MAX_QUERY} characters"],
        )
    most = limit(DEFAULT_SONGS, MAX_SONGS)
    words = text.casefold().split()

    def remembered(song: Song) -> bool:
        text = f"{song['title']}\n{song['artist']}".casefold()
        return all(word in text for word in words)

    songs, degraded = _listing(lambda c: c.search(text, most), remembered)
    return jsonify(query=text, songs=songs[:most], degraded=degraded)


def _listing(
    read: Callable[[Catalogue], list[Song]], remembered: Callable[[Song], bool]
) -> tuple[list[Song], list[str]]:
    """Return songs from MongoDB, or those in memory that would be meant, and what is away."""
    try:
        return services().stores.listings.call(read), []
    except Away as away:
        held = services().models.current().popular
        return [song for song in held if remembered(song)], [away.part]


def _cursor(song: Song) -> str:
    return base64.urlsafe_b64encode(str(song["track_id"]).encode()).decode().rstrip("=")


def _after(cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "the request is not as it should be",
            ["cursor: is not one that an earlier answer gave"],
        ) from None
