"""GET /songs, /songs/<id> and /search: the catalogue, open to everyone.

While MongoDB is away, they answer from the popular songs in memory and say so.
"""

import base64
import binascii
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from flask import Blueprint, Response, jsonify, request
from pydantic import Field, StringConstraints

from serving.catalogue import known_song
from serving.errors import Problem
from serving.intake import Id
from serving.recommend.climb import Wish
from serving.recommend.sources import Away, Song
from serving.services import services
from serving.views import recommend
from serving.views.params import Digits, Query, query

bp = Blueprint("songs", __name__)

Limit = Annotated[int, Field(ge=1, le=100), Digits]


class SongsQuery(Query):
    """How many songs, from where on, and of which artist."""

    limit: Limit = 25
    cursor: str | None = None
    artist_id: Id | None = None


class SearchQuery(Query):
    """The words that are looked for in title and artist."""

    q: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    limit: Limit = 25


class SimilarQuery(Query):
    """How many songs."""

    limit: Annotated[int, Field(ge=1, le=50), Digits] = 10


@bp.get("/songs")
def page() -> Response:
    """Return songs by track id, and `next_cursor` while there are more."""
    asked = query(SongsQuery)
    most, artist = asked.limit, asked.artist_id
    after = None if asked.cursor is None else _after(asked.cursor)

    def remembered(song: Song) -> bool:
        behind = after is None or song["track_id"] > after
        return behind and (artist is None or song["artist_id"] == artist)

    # One more than asked for says whether there is a next page.
    listings = services().stores.listings
    songs, degraded = _listing(
        lambda: listings.call(lambda c: c.page(after, most + 1, artist)), remembered
    )
    if degraded:
        songs.sort(key=lambda song: str(song["track_id"]))
    shown = songs[:most]
    following = _cursor(shown[-1]) if len(songs) > most else None
    response = jsonify(songs=shown, next_cursor=following, degraded=degraded)
    if following:
        rest = urlencode({**request.args.to_dict(), "cursor": following})
        response.headers["Link"] = f'<{request.path}?{rest}>; rel="next"'
    return response


@bp.get("/songs/<track_id>")
def one(track_id: str) -> Response:
    """Return one song; a problem 404 if there is none of that id."""
    return jsonify(known_song(track_id))


@bp.get("/songs/<track_id>/similar")
def similar(track_id: str) -> Response:
    """Return songs that go with one: what sessions held beside it, and what sounds alike."""
    asked = query(SimilarQuery)
    known_song(track_id)
    return recommend.queue(Wish(None, asked.limit, recommend.now(), track_id))


@bp.get("/search")
def search() -> Response:
    """Return songs with every word of `q` in title or artist, most played first."""
    asked = query(SearchQuery)
    text, most = asked.q, asked.limit
    words = text.casefold().split()

    def remembered(song: Song) -> bool:
        text = f"{song['title']}\n{song['artist']}".casefold()
        return all(word in text for word in words)

    songs, degraded = _listing(lambda: _found(text, most), remembered)
    return jsonify(query=text, songs=songs[:most], degraded=degraded)


def _found(text: str, most: int) -> list[Song]:
    """Return the songs that a search finds: by the titles in memory, once they are there."""
    titles = services().titles.current()
    if titles is None:
        return services().stores.listings.call(lambda c: c.search(text, most))
    ids = titles.search(text, most)
    songs = services().ladder.sources.songs(ids)
    return [songs[track_id] for track_id in ids if track_id in songs]


def _listing(
    read: Callable[[], list[Song]], remembered: Callable[[Song], bool]
) -> tuple[list[Song], list[str]]:
    """Return songs from MongoDB, or those in memory that would be meant, and what is away."""
    try:
        return read(), []
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
            [("cursor", "is not one that an earlier answer gave")],
        ) from None
