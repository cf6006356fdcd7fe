"""The vector that a list is searched with: the listener, the song that plays, or both."""

from dataclasses import dataclass

from serving.recommend.sources import Vector


@dataclass(frozen=True)
class Taste:
    """`strategy` names where the vector came from."""

    vector: Vector
    strategy: str


def taste_of(user: Vector | None, song: Vector | None, user_weight: float) -> Taste | None:
    """Mix what is known of listener and current song; None when neither is known.

    Of both, V = w*V_user + (1-w)*V_song on the raw factors, both of one generation.
    """
    if user is not None and song is not None:
        pairs = zip(user, song, strict=True)
        mixed = [user_weight * u + (1 - user_weight) * s for u, s in pairs]
        return Taste(mixed, "session_vector")
    if user is not None:
        return Taste(user, "user_vector")
    return None if song is None else Taste(song, "song_vector")
