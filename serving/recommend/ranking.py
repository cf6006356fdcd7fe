"""Which of the candidates are listed: known songs, each once, few of one artist."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from serving.recommend.sources import Candidate, Song

LookUp = Callable[[Iterable[str]], Mapping[str, Song]]
MAX_LOOK_UP = 100


@dataclass(frozen=True)
class Pick:
    """One song of a list, with the score that put it there."""

    song: Song
    score: float | None


def without(candidates: Iterable[Candidate], excluded: Collection[str]) -> list[Candidate]:
    """Return the candidates that are not excluded, each song once, in order."""
    seen = set(excluded)
    left: list[Candidate] = []
    for track_id, score in candidates:
        if track_id not in seen:
            seen.add(track_id)
            left.append((track_id, score))
    return left


def pick(
    candidates: Sequence[Candidate], look_up: LookUp, limit: int, per_artist: int
) -> list[Pick]:
    """Return the first `limit` candidates that are songs, at most `per_artist` of one artist.

    Songs without an artist are not capped. Looks up twice the limit at once, which nearly
    always is enough, and goes on only while songs are missing.
    """
    picked: list[Pick] = []
    of_artist: Counter[str] = Counter()
    rest = iter(candidates)
    while len(picked) < limit and (chunk := list(islice(rest, min(2 * limit, MAX_LOOK_UP)))):
        songs = look_up([track_id for track_id, _ in chunk])
        for track_id, score in chunk:
            song = songs.get(track_id)
            if song is None or len(picked) == limit:
                continue
            artist = song["artist_id"]
            if artist is None or of_artist[artist] < per_artist:
                of_artist[artist] += 1
                picked.append(Pick(song, score))
    return picked
