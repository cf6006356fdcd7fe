"""Two lists for the same person, side by side: what came, what went, and whose songs they are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOP = 10
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Lists:
    """What two generations list, as track ids, best first."""

    before: list[str]
    after: list[str]

    @property
    def overlap(self) -> float:
        """Share of the longer list that both hold; 1 where both are empty."""
        most = max(len(self.before), len(self.after))
        return len({*self.before} & {*self.after}) / most if most else 1.0

    @property
    def came(self) -> set[str]:
        """Songs that only the second list holds."""
        return {*self.after} - {*self.before}

    @property
    def went(self) -> set[str]:
        """Songs that only the first list holds."""
        return {*self.before} - {*self.after}


@dataclass(frozen=True)
class Mix:
    """Of one list: how many artists, the share of the most frequent one (None: none is known),
    and the median place of its songs among all by popularity (1: the most played)."""

    artists: int
    top_share: float | None
    popularity_rank: float | None


def mix(songs: Sequence[str], artists: Mapping[str, str], ranks: Mapping[str, int]) -> Mix:
    """Return what a list is made of; songs without artist or rank are left out of each."""
    known = Counter(artists[song] for song in songs if song in artists)
    places = [ranks[song] for song in songs if song in ranks]
    return Mix(
        artists=len(known),
        top_share=max(known.values()) / known.total() if known else None,
        popularity_rank=float(np.median(places)) if places else None,
    )


def best(query: Floats, ids: Sequence[str], items: Floats, without: str | None = None) -> list[str]:
    """Return the ten songs of highest inner product, exactly; equal ones by id."""
    scores = items @ query
    order = sorted(range(len(ids)), key=lambda n: (-scores[n], ids[n]))[: TOP + 1]
    return [ids[n] for n in order if ids[n] != without][:TOP]
