"""What the recommender reads, whichever store it comes from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Song = dict[str, Any]
"""A song as people see it; ranking reads `track_id`, `title`, `artist`, `artist_id`, `playable`."""

Vector = list[float]

Candidate = tuple[str, float | None]
"""Track id and score; the score is null in lists that rank by plays."""


class Away(Exception):
    """A store does not answer; `part` is its name."""

    def __init__(self, part: str) -> None:
        super().__init__(f"{part} does not answer")
        self.part = part


@dataclass(frozen=True)
class Bans:
    """What a listener never wants to hear: track ids and artist ids."""

    songs: frozenset[str] = frozenset()
    artists: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Memory:
    """What was heard lately, newest first: track id and epoch milliseconds of the newest play.

    `skipped` are the songs that were left early in the last hours.
    """

    plays: Sequence[tuple[str, int]] = ()
    skipped: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class Profile:
    """What a generation and the listener's own choices say. `vector` is None where there is none.

    `loved` and `less` are track ids; of `less`, less that is like them is wanted.
    """

    vector: Vector | None = None
    bans: Bans = field(default_factory=Bans)
    loved: frozenset[str] = frozenset()
    less: frozenset[str] = frozenset()


class Sources(Protocol):
    """Every method raises Away when its store does not answer."""

    def memory(self, user_id: str) -> Memory:
        """Return what the listener heard and skipped lately."""
        ...

    def profile(self, generation: str | None, user_id: str) -> Profile:
        """Return the listener's vector of a generation, bans and loves."""
        ...

    def remembered(self, generation: str | None, user_id: str) -> Profile:
        """Return what is still known of a profile while its store is away; never raises."""
        ...

    def plays(self, generation: str, user_id: str) -> Mapping[str, float]:
        """Return the listener's plays in the generation's window, by track id."""
        ...

    def nearest(self, generation: str, vector: Vector, limit: int) -> list[Candidate]:
        """Return the songs of highest inner product, best first; fewer only if all are there."""
        ...

    def neighbours(
        self, generation: str, track_ids: Iterable[str]
    ) -> Mapping[str, Sequence[tuple[str, float]]]:
        """Return what sessions held beside each song, with weights, best first; none if unknown."""
        ...

    def nightly(self, generation: str, user_id: str) -> list[str]:
        """Return the listener's list of unheard songs, made at night; empty if unknown."""
        ...

    def songs(self, track_ids: Iterable[str]) -> Mapping[str, Song]:
        """Return those of the songs that there are, by track id."""
        ...

    def held(self, track_ids: Iterable[str]) -> Mapping[str, Song]:
        """Return those of the songs that are in memory, however old; never raises."""
        ...

    def others(self, excluded: Iterable[str], limit: int) -> list[Song]:
        """Return some songs of the catalogue that are not excluded, the most played first."""
        ...
