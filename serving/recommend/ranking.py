"""Which of the candidates are listed: playable songs, each work once, few of one artist."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from serving.recommend.reasons import Reason
from serving.recommend.sources import Bans, Candidate, Song
from serving.recommend.works import work_of

LookUp = Callable[[Iterable[str]], Mapping[str, Song]]
MAX_LOOK_UP = 100
IN_A_ROW = 5
"""A queue has at most `per_artist` songs of one artist in any so many in a row."""


@dataclass(frozen=True)
class Pick:
    """One song of a list, with the score that put it there, and why."""

    song: Song
    score: float | None
    reason: Reason | None = None

    @property
    def track_id(self) -> str:
        """Return the song's id."""
        return str(self.song["track_id"])

    def because(self, reason: Reason) -> "Pick":
        """Return the same with a reason."""
        return Pick(self.song, self.score, reason)


@dataclass(frozen=True)
class Rules:
    """What a list must keep to.

    `before` are the songs that the list goes on from, the newest last: their works do not come
    again, and with `queue` the artist rule looks back at them. Without `queue` it holds for the
    whole list. At most `most_heard` songs of `heard` are listed.
    """

    per_artist: int
    queue: bool = False
    before: Sequence[Song] = ()
    bans: Bans = field(default_factory=Bans)
    heard: Collection[str] = frozenset()
    most_heard: int | None = None


def without(candidates: Iterable[Candidate], excluded: Collection[str]) -> Iterator[Candidate]:
    """Yield the candidates that are not excluded, each song once, in order."""
    seen: set[str] = set()
    for candidate in candidates:
        track_id = candidate[0]
        if track_id not in excluded and track_id not in seen:
            seen.add(track_id)
            yield candidate


def pick(candidates: Iterable[Candidate], look_up: LookUp, limit: int, rules: Rules) -> list[Pick]:
    """Return the first `limit` candidates that are songs and keep to the rules, in order.

    A song that must wait for others of its artist may come later in a queue. Songs without an
    artist are not capped. Looks up twice the limit at once, which nearly always is enough, and
    goes on only while songs are missing.
    """
    picked: list[Pick] = []
    waiting: list[Pick] = []
    listed = _Listed(rules)
    rest = iter(candidates)
    while len(picked) < limit:
        fitting = next((n for n, found in enumerate(waiting) if listed.takes(found.song)), None)
        if fitting is not None:
            found = waiting.pop(fitting)
            listed.add(found.song)
            picked.append(found)
            continue
        if not rules.queue:
            waiting.clear()  # what does not fit into a list now never will
        chunk = list(islice(rest, min(max(2 * limit, 20), MAX_LOOK_UP)))
        if not chunk:
            break
        songs = look_up([track_id for track_id, _ in chunk])
        waiting += [Pick(songs[t], score) for t, score in chunk if t in songs]
    return picked


class _Listed:
    """What has been listed so far, and what may follow."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._works = {work_of(song) for song in rules.before}
        self._row = [_artist(song) for song in rules.before] if rules.queue else []
        self._of_artist: Counter[str | None] = Counter()
        self._heard = 0

    def takes(self, song: Song) -> bool:
        rules, artist = self._rules, _artist(song)
        if song.get("playable") is False:
            return False
        if song["track_id"] in rules.bans.songs or artist in rules.bans.artists:
            return False
        if artist is not None and self._count(artist) >= rules.per_artist:
            return False
        if song["track_id"] in rules.heard and self._heard == rules.most_heard:
            return False
        return work_of(song) not in self._works

    def add(self, song: Song) -> None:
        self._works.add(work_of(song))
        self._heard += song["track_id"] in self._rules.heard
        self._row.append(_artist(song))
        self._of_artist[_artist(song)] += 1

    def _count(self, artist: str) -> int:
        if self._rules.queue:
            return self._row[-(IN_A_ROW - 1) :].count(artist)
        return self._of_artist[artist]


def _artist(song: Song) -> str | None:
    artist = song.get("artist_id")
    return None if artist is None else str(artist)
