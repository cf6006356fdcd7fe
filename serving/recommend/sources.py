"""What the recommender reads, whichever store it comes from."""

from collections.abc import Iterable
from typing import Any, Protocol

Song = dict[str, Any]
"""A song as people see it; `track_id` and `artist_id` (may be null) are what ranking reads."""

Vector = list[float]

Candidate = tuple[str, float | None]
"""Track id and score; the score is null in lists that rank by plays."""


class Away(Exception):
    """A store does not answer; `part` is its name."""

    def __init__(self, part: str) -> None:
        super().__init__(f"{part} does not answer")
        self.part = part


class Sources(Protocol):
    """Every method raises Away when its store does not answer."""

    def recent(self, user_id: str) -> list[str]:
        """Return the songs that the listener played in the last days, newest first."""
        ...

    def user_vector(self, generation: str, user_id: str) -> Vector | None:
        """Return the listener's vector, or None where the generation has none."""
        ...

    def song_vector(self, generation: str, track_id: str) -> Vector | None:
        """Return the song's vector, or None where the generation has none."""
        ...

    def nearest(self, generation: str, vector: Vector, limit: int) -> list[Candidate]:
        """Return the songs of highest inner product, best first; fewer only if all are there."""
        ...

    def neighbours(self, generation: str, track_id: str) -> list[Candidate]:
        """Return the songs that sessions held beside this one, best first; none if unknown."""
        ...

    def nightly(self, generation: str, user_id: str) -> list[str]:
        """Return the listener's list of unheard songs, made at night; empty if unknown."""
        ...

    def songs(self, track_ids: Iterable[str]) -> dict[str, Song]:
        """Return those of the songs that there are, by track id."""
        ...
