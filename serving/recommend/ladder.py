"""The rungs of a recommendation: a searched vector, what the night prepared, popular songs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from serving.recommend.ranking import Pick, pick, without
from serving.recommend.session import Taste, taste_of
from serving.recommend.sources import Away, Candidate, Song, Sources

FIRST_SEARCH = 256
MAX_SEARCH = 16_384
"""Milvus returns no more in one search."""


@dataclass(frozen=True)
class Snapshot:
    """What one request works with: a generation (None: none yet) and its popular songs."""

    generation: str | None
    popular: Sequence[Song]
    published_at: datetime | None = None


@dataclass(frozen=True)
class Wish:
    """What is asked for. `unwanted` must not be in the answer, whatever happens."""

    user_id: str
    limit: int
    current: str | None = None
    unwanted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Answer:
    """Songs, best first. `degraded` names the stores that were away; `fallback` says why not
    even a working stack could do better than popular songs."""

    generation: str | None
    strategy: str
    degraded: list[str]
    picks: list[Pick]
    fallback: str | None = None


@dataclass(frozen=True)
class Ladder:
    """Answers every wish from the best rung whose stores answer."""

    sources: Sources
    per_artist: int
    user_weight: float

    def answer(self, wish: Wish, snapshot: Snapshot) -> Answer:
        """Return at most `wish.limit` songs of the snapshot's generation.

        Recent plays stay out, unless nothing else is left: then they come back.
        """
        degraded: list[str] = []
        recent = self._recent(wish.user_id, degraded)
        answer = self._climb(wish, snapshot, wish.unwanted | recent, degraded)
        if answer.picks or not recent:
            return answer
        return self._climb(wish, snapshot, wish.unwanted, degraded)

    def _recent(self, user_id: str, degraded: list[str]) -> frozenset[str]:
        try:
            return frozenset(self.sources.recent(user_id))
        except Away as away:
            degraded.append(away.part)
            return frozenset()

    def _climb(
        self, wish: Wish, snapshot: Snapshot, excluded: frozenset[str], before: list[str]
    ) -> Answer:
        degraded = list(before)
        generation = snapshot.generation
        fallback = "no_generation" if generation is None else None
        if generation is not None:
            try:
                taste = self._taste(wish, generation)
                if taste is not None:
                    picks = self._search(taste, generation, excluded, wish.limit)
                    return Answer(generation, taste.strategy, degraded, picks)
                fallback = "unknown_listener"
            except Away as away:
                degraded.append(away.part)
                prepared = self._prepared(wish, snapshot, generation, excluded, degraded)
                if prepared is not None:
                    return prepared
        strategy, picks = self._popular(wish, snapshot, excluded, degraded)
        return Answer(generation, strategy, degraded, picks, fallback)

    def _prepared(
        self,
        wish: Wish,
        snapshot: Snapshot,
        generation: str,
        excluded: frozenset[str],
        degraded: list[str],
    ) -> Answer | None:
        """Answer from what the night left in MongoDB, topped up with popular songs.

        None where MongoDB is away too, or nothing but popular songs is left. The best song's
        origin names the answer.
        """
        if "mongodb" in degraded:
            return None
        sources = self.sources
        try:
            near = sources.neighbours(generation, wish.current) if wish.current else []
            nightly = _unscored(sources.nightly(generation, wish.user_id))
            if not near and not nightly:
                return None
            popular = _unscored(str(song["track_id"]) for song in snapshot.popular)
            left = without([*near, *nightly, *popular], excluded)
            picks = pick(left, sources.songs, wish.limit, self.per_artist)
        except Away as away:
            degraded.append(away.part)
            return None
        best = picks[0].song["track_id"] if picks else None
        for strategy, prepared in (("song_neighbours", near), ("nightly_list", nightly)):
            if best in dict(prepared):
                return Answer(generation, strategy, list(degraded), picks)
        return None

    def _taste(self, wish: Wish, generation: str) -> Taste | None:
        user = self.sources.user_vector(generation, wish.user_id)
        song = self.sources.song_vector(generation, wish.current) if wish.current else None
        return taste_of(user, song, self.user_weight)

    def _search(
        self, taste: Taste, generation: str, excluded: frozenset[str], limit: int
    ) -> list[Pick]:
        asked = min(max(FIRST_SEARCH, 2 * (limit + len(excluded))), MAX_SEARCH)
        while True:
            found = self.sources.nearest(generation, taste.vector, asked)
            picks = pick(without(found, excluded), self.sources.songs, limit, self.per_artist)
            if len(picks) == limit or len(found) < asked or asked == MAX_SEARCH:
                return picks
            asked = min(2 * asked, MAX_SEARCH)

    def _popular(
        self, wish: Wish, snapshot: Snapshot, excluded: frozenset[str], degraded: list[str]
    ) -> tuple[str, list[Pick]]:
        """Rank the popular songs, with fresh metadata where MongoDB answers."""
        held = {str(song["track_id"]): song for song in snapshot.popular}
        left = without(_unscored(held), excluded)
        if "mongodb" not in degraded:
            try:
                return "popular", pick(left, self.sources.songs, wish.limit, self.per_artist)
            except Away as away:
                degraded.append(away.part)
        return "popular_memory", pick(left, lambda _: held, wish.limit, self.per_artist)


def _unscored(track_ids: Iterable[str]) -> list[Candidate]:
    return [(track_id, None) for track_id in track_ids]
