"""One wish on its way down the rungs: a searched vector, what the night prepared, popular songs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from serving.recommend import reasons
from serving.recommend.fold_in import FoldedIn, fold_in
from serving.recommend.listener import Listener, Reads
from serving.recommend.model import Floats
from serving.recommend.ranking import LookUp, Pick, Rules, pick, without
from serving.recommend.reasons import Reason
from serving.recommend.session import Hybrid, less_like, session_vector
from serving.recommend.sources import Away, Candidate, Song

FIRST_SEARCH = 256
MAX_SEARCH = 16_384
"""Milvus returns no more in one search."""
OTHERS = 100
"""Songs of the rest of the catalogue that are looked at together."""
MAX_SESSION = 20
"""Songs of a session that count; an older one would weigh a hundredth of the current."""


@dataclass(frozen=True)
class Options:
    """What a deployment chose: see the settings of the same names."""

    per_artist: int = 2
    user_weight: float = 0.7
    strategy: str = "session_hybrid"
    hybrid_user_share: float = 0.3
    hybrid_cosine_weight: float = 1.0
    rest_hours: float = 24.0


@dataclass(frozen=True)
class Wish:
    """What is asked for, by whom (None: somebody without an account), and when.

    `before` are the songs that were played before the current one, the newest last, and `queued`
    those that wait: none of them may be in the answer, whatever happens. At least
    1 - `familiar` of a list are songs that the listener has not heard, while there are any.
    """

    user_id: str | None
    limit: int
    now_ms: int
    current: str | None = None
    before: tuple[str, ...] = ()
    queued: tuple[str, ...] = ()
    familiar: float = 1.0
    strategy: str | None = None

    @property
    def played(self) -> list[str]:
        """Return what was played in this session, the newest last."""
        return [*self.before, *([self.current] if self.current else [])]

    @property
    def row(self) -> list[str]:
        """Return every song that the answer goes on from, in the order of playing."""
        return [*self.played, *self.queued]


@dataclass(frozen=True)
class Answer:
    """Songs, best first. `degraded` names the stores that were away; `fallback` says why not
    even a working stack could do better than popular songs."""

    generation: str | None
    strategy: str
    degraded: list[str]
    picks: list[Pick]
    fallback: str | None = None


class Climb:
    """One wish on its way down the ladder."""

    def __init__(self, options: Options, reads: Reads, wish: Wish, listener: Listener) -> None:
        self.options = options
        self.reads = reads
        self.snapshot = reads.snapshot
        self.wish = wish
        self.listener = listener
        self.taste = listener.taste(self.snapshot)
        self._found: dict[tuple[bytes, int], list[Candidate]] = {}
        self.lately = listener.lately(wish.now_ms, options.rest_hours)

    @cached_property
    def folded(self) -> FoldedIn | None:
        """Return the solved listener that reasons are computed from, None where there is none."""
        if self.taste is not None and self.taste.folded is not None:
            return self.taste.folded
        model = self.snapshot.model
        return None if model is None else fold_in(model, self.listener.plays)

    def answer(self) -> Answer:
        """Return the answer of the best rung."""
        hard = frozenset(self.wish.row)
        for excluded in (hard | self.lately, hard):
            found = self._best(excluded)
            if found.picks:
                return found
        return self._catalogue(hard)

    def rules(self, **more: object) -> Rules:
        """Return the rules of a list for this listener."""
        rules = Rules(per_artist=self.options.per_artist, bans=self.listener.profile.bans)
        return replace(rules, **more)  # type: ignore[arg-type]

    def nearest(self, vector: Floats, limit: int) -> list[Candidate]:
        """Search Milvus, or the factors in memory while it is away; raises Away without both.

        The same search is made once.
        """
        generation, model = self.snapshot.generation, self.snapshot.model
        assert generation is not None  # noqa: S101  nobody has a vector without one
        sources = self.reads.sources

        def exact() -> list[Candidate]:
            if model is None:
                raise Away("milvus")
            return model.nearest(vector, limit)

        asked = (vector.tobytes(), limit)
        if asked not in self._found:
            query = vector.tolist()
            self._found[asked] = self.reads.ask(
                "milvus", lambda: sources.nearest(generation, query, limit), exact
            )
        return self._found[asked]

    def neighbours(self, track_ids: Iterable[str]) -> dict[str, Sequence[tuple[str, float]]]:
        """Return the session neighbours of these songs; none while they can't be read."""
        generation, wanted = self.snapshot.generation, list(track_ids)
        if generation is None or not wanted:
            return {}
        sources = self.reads.sources
        nothing: dict[str, Sequence[tuple[str, float]]] = {}
        return self.reads.ask(
            "mongodb", lambda: dict(sources.neighbours(generation, wanted)), lambda: nothing
        )

    def _best(self, excluded: frozenset[str]) -> Answer:
        generation = self.snapshot.generation
        fallback = "no_generation" if generation is None else None
        if generation is not None:
            try:
                found = self._next(excluded) if self.wish.row else self._home(excluded)
                if found is not None:
                    return found
                fallback = "unknown_listener"
            except Away:
                nightly = self._nightly(excluded)
                if nightly is not None:
                    return nightly
        return self._popular(excluded, fallback)

    def _home(self, excluded: frozenset[str]) -> Answer | None:
        taste = self.taste
        if taste is None:
            return None
        picks = self._search(taste.vector, excluded, self.rules())
        return self.told(taste.strategy, explain(self, picks))

    def _next(self, excluded: frozenset[str]) -> Answer | None:
        strategy = self.wish.strategy or self.options.strategy
        rules = self.rules(queue=True, before=self._row())
        if strategy == "session_vector":
            return self._session_vector(excluded, rules)
        session = self._session()
        hybrid = Hybrid(
            self.snapshot.model,
            self.neighbours(session),
            session,
            None if self.taste is None else self.taste.vector,
            self.options.hybrid_user_share,
            self.options.hybrid_cosine_weight,
        )
        query = hybrid.query()
        if query is None and not hybrid.near:
            return None
        picks = self._search(
            query, excluded, rules, lambda found: hybrid.ranked(track_id for track_id, _ in found)
        )
        why = hybrid.reasons([found.track_id for found in picks])
        return self.told("session_hybrid", [p.because(why[p.track_id]) for p in picks])

    def _session_vector(self, excluded: frozenset[str], rules: Rules) -> Answer | None:
        model, current = self.snapshot.model, self.wish.current
        song = model.vector(current) if model and current else None
        user = None if self.taste is None else self.taste.vector
        vector = session_vector(user, song, self.options.user_weight)
        if vector is None:
            return None
        picks = self._search(vector, excluded, rules)
        names = {(True, True): "session_vector", (True, False): "user_vector"}
        strategy = names.get((user is not None, song is not None), "song_vector")
        return self.told(strategy, self._shares(picks, user, song))

    def _shares(self, picks: list[Pick], user: Floats | None, song: Floats | None) -> list[Pick]:
        model, weight, current = self.snapshot.model, self.options.user_weight, self.wish.current
        if model is None:
            return picks
        ids = [found.track_id for found in picks]
        taste = [0.0] * len(ids) if user is None else weight * model.scores(user, ids)
        beside = [0.0] * len(ids) if song is None else (1 - weight) * model.scores(song, ids)
        return [
            found.because(reasons.of_session({}, float(t), float(s), current))
            for found, t, s in zip(picks, taste, beside, strict=True)
        ]

    def _session(self) -> list[str]:
        """Return what was played in this session, without what was skipped, the newest last."""
        skipped = {track_id for track_id, _ in self.listener.memory.skipped}
        played = (t for t in self.wish.played if t not in skipped or t == self.wish.current)
        return list(played)[-MAX_SESSION:]

    def _row(self) -> list[Song]:
        songs = self.reads.songs(self.wish.row)
        return [songs[track_id] for track_id in self.wish.row if track_id in songs]

    def _search(
        self,
        vector: Floats | None,
        excluded: frozenset[str],
        rules: Rules,
        ranked: Callable[[list[Candidate]], list[Candidate]] = list,
    ) -> list[Pick]:
        """Pick from what is nearest after `ranked`; at most `familiar` of it heard."""
        limit, heard = self.wish.limit, self.listener.heard()
        most = int(self.wish.familiar * limit)
        picks = self._wider(vector, excluded, replace(rules, heard=heard, most_heard=most), ranked)
        if len(picks) < limit and most < limit:
            # Nothing unheard is left: a short list would help nobody.
            listed = excluded | {found.track_id for found in picks}
            before = [*rules.before, *(found.song for found in picks)]
            picks += self._wider(vector, listed, replace(rules, before=before), ranked)
        return picks[:limit]

    def _wider(
        self,
        vector: Floats | None,
        excluded: frozenset[str],
        rules: Rules,
        ranked: Callable[[list[Candidate]], list[Candidate]],
    ) -> list[Pick]:
        """Pick from what is nearest; search wider while songs are missing."""
        asked = self._asked(excluded)
        while True:
            found = [] if vector is None else self.nearest(vector, asked)
            picks = self._picked(ranked(found), excluded, rules)
            if len(picks) == self.wish.limit or len(found) < asked or asked == MAX_SEARCH:
                return picks
            asked = min(4 * asked, MAX_SEARCH)

    def _asked(self, excluded: frozenset[str]) -> int:
        return min(max(FIRST_SEARCH, 2 * (self.wish.limit + len(excluded))), MAX_SEARCH)

    def _picked(self, found: list[Candidate], excluded: frozenset[str], rules: Rules) -> list[Pick]:
        disliked = self.listener.disliked()
        left = without(found, excluded)
        if disliked:
            left = iter(less_like(self.snapshot.model, list(left), disliked))
        return pick(left, self.reads.songs, self.wish.limit, rules)

    def _nightly(self, excluded: frozenset[str]) -> Answer | None:
        """Answer from the listener's list of last night, topped up with popular songs.

        None without an account, where MongoDB is away too, or nothing of the list is left.
        """
        generation, user_id = self.snapshot.generation, self.wish.user_id
        if generation is None or user_id is None:
            return None
        sources = self.reads.sources
        nothing: list[str] = []
        nightly = self.reads.ask(
            "mongodb", lambda: sources.nightly(generation, user_id), lambda: nothing
        )
        near = [c for beside in self.neighbours(self._session()[-1:]).values() for c in beside]
        prepared = [*near, *unscored(nightly)]
        left = without([*prepared, *unscored(self.snapshot.popular_songs)], excluded)
        picks = pick(left, self.reads.songs, self.wish.limit, self._plain_rules())
        if not picks or picks[0].track_id not in dict(prepared):
            return None
        strategy = "song_neighbours" if picks[0].track_id in dict(near) else "nightly_list"
        kinds = {t: Reason("nightly") for t in nightly} | {
            t: Reason("session", [(self._session()[-1], 1.0)]) for t, _ in near
        }
        popular = Reason("popular")
        return self.told(strategy, [p.because(kinds.get(p.track_id, popular)) for p in picks])

    def _popular(self, excluded: frozenset[str], fallback: str | None) -> Answer:
        """Rank the popular songs, with fresh metadata where MongoDB answers."""
        left = without(unscored(self.snapshot.popular_songs), excluded)
        picks = pick(left, self.reads.songs, self.wish.limit, self._plain_rules())
        picks = [found.because(Reason("popular")) for found in picks]
        strategy = "popular_memory" if "mongodb" in self.reads.degraded else "popular"
        return self.told(strategy, picks, fallback)

    def _catalogue(self, excluded: frozenset[str]) -> Answer:
        """Return any songs that are left: nothing that ranks them knows them."""
        rules = self._plain_rules()
        seen = excluded | self.listener.profile.bans.songs
        while found := self._others(seen):
            songs = {str(song["track_id"]): song for song in found}
            # The last songs of a catalogue may all be of one artist.
            for per_artist in (rules.per_artist, OTHERS):
                each = replace(rules, per_artist=per_artist)
                picks = pick(unscored(songs), songs_of(songs), self.wish.limit, each)
                if picks:
                    picks = [found.because(Reason("catalogue")) for found in picks]
                    return self.told("catalogue", picks, "nothing_else_left")
            seen |= songs.keys()  # banned artists, and versions of what was played
        return self.told("catalogue", [], "nothing_else_left")

    def _others(self, seen: frozenset[str]) -> list[Song]:
        sources = self.reads.sources
        nothing: list[Song] = []
        return self.reads.ask("mongodb", lambda: sources.others(seen, OTHERS), lambda: nothing)

    def _plain_rules(self) -> Rules:
        return self.rules(queue=bool(self.wish.row), before=self._row())

    def told(self, strategy: str, picks: list[Pick], fallback: str | None = None) -> Answer:
        """Return an answer of this snapshot, with the stores that were away so far."""
        degraded = self.reads.degraded
        return Answer(self.snapshot.generation, strategy, degraded, picks, fallback)


def explain(climb: Climb, picks: list[Pick]) -> list[Pick]:
    """Add to songs that a listener's vector found the plays that speak for them."""
    model, folded = climb.snapshot.model, climb.folded
    if model is None or folded is None:
        return [found.because(Reason("taste")) for found in picks]
    known = [found.track_id for found in picks if found.track_id in model]
    why = reasons.of_plays(model, folded, known)
    nothing = Reason("taste")
    return [found.because(why.get(found.track_id, nothing)) for found in picks]


def unscored(track_ids: Iterable[str]) -> Iterator[Candidate]:
    """Yield candidates without a score, in order."""
    return ((track_id, None) for track_id in track_ids)


def songs_of(known: Mapping[str, Song]) -> LookUp:
    """Return what looks songs up among those that are known."""
    return lambda track_ids: {t: known[t] for t in track_ids if t in known}
