"""Songs that a request names."""

from http import HTTPStatus

from jobs.contract.events import MAX_ID_LENGTH
from serving.errors import Problem, unavailable
from serving.recommend.sources import Away, Song
from serving.services import services


def known_song(track_id: str) -> Song:
    """Return a song, from memory while MongoDB is away; a problem 404 if there is none, or 503."""
    song = None
    try:
        if len(track_id) <= MAX_ID_LENGTH:
            found = services().stores.mongo.call(lambda m: m.catalogue.songs([track_id]))
            song = found.get(track_id)
    except Away as away:
        held = services().ladder.sources.held([track_id])
        song = held.get(track_id) or services().models.current().popular_songs.get(track_id)
        if song is None:
            raise unavailable(away.part) from None
    if song is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no song {track_id!r}")
    return song
