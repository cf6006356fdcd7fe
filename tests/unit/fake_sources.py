"""Stores of the recommender that are dictionaries, any of which can be away."""

from dataclasses import dataclass, field

from serving.recommend.sources import Away, Bans, Memory, Profile

GENERATION = "g20260101T0200_00000000"


def shown(track_id, artist_id=None, title=None):
    return {
        "track_id": track_id,
        "title": title or track_id,
        "artist": artist_id,
        "artist_id": artist_id,
    }


@dataclass
class FakeSources:
    """Exact search over vectors held in memory; `away` names the stores that don't answer."""

    users: dict = field(default_factory=dict)
    items: dict = field(default_factory=dict)
    recent: dict = field(default_factory=dict)
    skipped: dict = field(default_factory=dict)
    bans: dict = field(default_factory=dict)
    less: dict = field(default_factory=dict)
    window: dict = field(default_factory=dict)
    artists: dict = field(default_factory=dict)
    titles: dict = field(default_factory=dict)
    near: dict = field(default_factory=dict)
    prepared: dict = field(default_factory=dict)
    catalogue: list = field(default_factory=list)
    in_memory: dict = field(default_factory=dict)
    away: set = field(default_factory=set)
    searches: list = field(default_factory=list)

    def _ask(self, part):
        if part in self.away:
            raise Away(part)

    def memory(self, user_id):
        self._ask("redis")
        return Memory(self.recent.get(user_id, ()), self.skipped.get(user_id, ()))

    def profile(self, generation, user_id):
        self._ask("mongodb")
        assert generation in (None, GENERATION)
        less = self.less.get(user_id, frozenset())
        return Profile(self.users.get(user_id), self.bans.get(user_id, Bans()), less=less)

    def remembered(self, generation, user_id):
        return Profile(None, self.bans.get(user_id, Bans()))

    def plays(self, generation, user_id):
        self._ask("mongodb")
        return self.window.get(user_id, {})

    def nearest(self, generation, vector, limit):
        self._ask("milvus")
        self.searches.append(limit)
        scores = {
            i: sum(a * b for a, b in zip(vector, v, strict=True)) for i, v in self.items.items()
        }
        return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]

    def neighbours(self, generation, track_ids):
        self._ask("mongodb")
        assert generation == GENERATION
        return {track_id: self.near.get(track_id, []) for track_id in track_ids}

    def nightly(self, generation, user_id):
        self._ask("mongodb")
        return self.prepared.get(user_id, [])

    def songs(self, track_ids):
        self._ask("mongodb")
        known = {*self.items, *self.catalogue}
        return {i: self._shown(i) for i in track_ids if i in known}

    def held(self, track_ids):
        return {i: self.in_memory[i] for i in track_ids if i in self.in_memory}

    def others(self, excluded, limit):
        self._ask("mongodb")
        left = [i for i in (*self.items, *self.catalogue) if i not in set(excluded)]
        return [self._shown(i) for i in left[:limit]]

    def _shown(self, track_id):
        return shown(track_id, self.artists.get(track_id), self.titles.get(track_id))
