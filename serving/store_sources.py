"""What the recommender reads, from the real stores and from the worker's memory."""

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from sys import intern
from typing import Any, cast

import orjson

from jobs.stores.choices import Choice, Choices
from serving.held import Held
from serving.recommend.sources import Away, Bans, Candidate, Memory, Profile, Song, Vector
from serving.stores import Stores

SONGS_HELD, SONGS_SECONDS = 60_000, 600.0
"""Titles, and what can be played, change at night; counts of plays may be a little older."""
NEIGHBOURS_HELD, PLAYS_HELD, PROFILES_HELD = 10_000, 4_000, 4_000
GENERATION_SECONDS = 24 * 3600.0
"""Neighbours and plays belong to a generation and never change: they are read once."""

Near = tuple[tuple[str, ...], "array[float]"]
"""Neighbours of a song, and their weights."""


class StoreSources:
    """`serving.recommend.sources.Sources`; one per worker, shared by its threads."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        # As JSON, and as ids beside weights: many objects would take more memory, and time to
        # collect.
        self._songs: Held[str, str] = Held(SONGS_HELD, SONGS_SECONDS)
        self._neighbours: Held[tuple[str, str], Near] = Held(NEIGHBOURS_HELD, GENERATION_SECONDS)
        self._plays: Held[tuple[str, str], Mapping[str, float]] = Held(
            PLAYS_HELD, GENERATION_SECONDS
        )
        # Always read again: a ban holds from the next answer on, in every worker.
        self._profiles: Held[tuple[str | None, str], Profile] = Held(PROFILES_HELD, -1.0)

    def memory(self, user_id: str) -> Memory:
        return Memory(*self._stores.cache.call(lambda cache: cache.memory(user_id)))

    def profile(self, generation: str | None, user_id: str) -> Profile:
        def read(_: object) -> dict[tuple[str | None, str], Profile]:
            vector, choices = self._stores.mongo.call(
                lambda m: m.catalogue.listener(generation, user_id)
            )
            return {key: profile_of(vector, choices)}

        key = (generation, user_id)
        return self._profiles.read([key], read)[key]

    def remembered(self, generation: str | None, user_id: str) -> Profile:
        """The vector that this worker saw last, with the choices that Redis has a copy of."""
        key = (generation, user_id)
        known = self._profiles.held([key]).get(key, Profile())
        try:
            copy = self._stores.cache.call(lambda cache: cache.choices(user_id))
        except Away:
            return known
        return known if copy is None else profile_of(known.vector, read_choices(copy))

    def plays(self, generation: str, user_id: str) -> Mapping[str, float]:
        def read(_: object) -> dict[tuple[str, str], Mapping[str, float]]:
            found = self._stores.mongo.call(lambda m: m.lists.plays(generation, user_id))
            return {key: dict(found)}

        key = (generation, user_id)
        return self._plays.read([key], read)[key]

    def nearest(self, generation: str, vector: Vector, limit: int) -> list[Candidate]:
        found = self._stores.vectors.call(lambda milvus: milvus.search(generation, [vector], limit))
        return list(found[0])

    def neighbours(
        self, generation: str, track_ids: Iterable[str]
    ) -> dict[str, Sequence[tuple[str, float]]]:
        def read(
            missing: list[tuple[str, str]],
        ) -> dict[tuple[str, str], Near]:
            wanted = [track_id for _, track_id in missing]
            found = self._stores.mongo.call(lambda m: m.lists.neighbours(generation, wanted))
            # A hundred ids each, and the same ones again and again.
            return {
                (generation, track_id): (
                    tuple(intern(t) for t, _ in found.get(track_id, ())),
                    array("d", (weight for _, weight in found.get(track_id, ()))),
                )
                for track_id in wanted
            }

        held = self._neighbours.read([(generation, t) for t in track_ids], read)
        return {
            track_id: list(zip(ids, weights, strict=True))
            for (_, track_id), (ids, weights) in held.items()
        }

    def nightly(self, generation: str, user_id: str) -> list[str]:
        return self._stores.mongo.call(lambda m: m.lists.nightly(generation, user_id))

    def songs(self, track_ids: Iterable[str]) -> dict[str, Song]:
        def read(missing: list[str]) -> dict[str, str]:
            found = self._stores.mongo.call(lambda m: m.catalogue.songs(missing))
            # Decoded, because orjson's bytes keep the 4 KiB that it wrote them into.
            return {track_id: orjson.dumps(song).decode() for track_id, song in found.items()}

        return _parsed(self._songs.read(track_ids, read))

    def held(self, track_ids: Iterable[str]) -> dict[str, Song]:
        return _parsed(self._songs.held(track_ids))

    def others(self, excluded: Iterable[str], limit: int) -> list[Song]:
        wanted = list(excluded)
        return self._stores.listings.call(lambda c: c.others(wanted, limit))


def _parsed(songs: Mapping[str, str]) -> dict[str, Song]:
    return {track_id: orjson.loads(song) for track_id, song in songs.items()}


def profile_of(vector: Vector | None, choices: Choices) -> Profile:
    """Return a listener's profile; choices that have ended are left out, the newest counts."""
    now = datetime.now(UTC)
    newest = {(c["scope"], c["id"]): c for c in choices}
    holding = [c for c in newest.values() if c["until"] is None or c["until"] > now]

    def chosen(value: str, scope: str) -> frozenset[str]:
        return frozenset(c["id"] for c in holding if (c["value"], c["scope"]) == (value, scope))

    bans = Bans(chosen("ban", "song"), chosen("ban", "artist"))
    return Profile(vector, bans, chosen("love", "song"), chosen("less", "song"))


def copy_of(choices: Choices) -> str:
    """Return choices as the copy in Redis has them."""
    return json.dumps(choices, default=datetime.isoformat)


def read_choices(copy: str) -> Choices:
    """Return the choices of a copy."""

    def read(field: str, value: Any) -> Any:
        return datetime.fromisoformat(value) if field in ("until", "at") and value else value

    found: list[dict[str, Any]] = json.loads(copy)
    return [
        cast(Choice, {field: read(field, value) for field, value in choice.items()})
        for choice in found
    ]
