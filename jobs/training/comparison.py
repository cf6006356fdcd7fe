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

    artists: float
    top_share: float | None
    place: float | None


@dataclass(frozen=True)
class Summary:
    """One kind of list over all listeners: means, but for `place` and `shift`, which are medians.

    `shift` is by how many places a listener's list moved; above 0 it is less popular than before.
    """

    listeners: int
    overlap: float
    before: Mix
    after: Mix
    shift: float | None


def mix(songs: Sequence[str], artists: Mapping[str, str], places: Mapping[str, int]) -> Mix:
    """Return what a list is made of; songs without artist or place are left out of each."""
    known = Counter(artists[song] for song in songs if song in artists)
    return Mix(
        artists=len(known),
        top_share=max(known.values()) / known.total() if known else None,
        place=_median([places[song] for song in songs if song in places]),
    )


def summary(lists: Sequence[Lists], mixes: Sequence[tuple[Mix, Mix]]) -> Summary:
    """Return one kind of list over its listeners, of whom there is at least one."""
    befores, afters = zip(*mixes, strict=True)
    pairs = [(b.place, a.place) for b, a in mixes]
    shifts = [a - b for b, a in pairs if a is not None and b is not None]
    overlap = float(np.mean([each.overlap for each in lists]))
    return Summary(len(lists), overlap, _middle(befores), _middle(afters), _median(shifts))


def best(query: Floats, ids: Sequence[str], items: Floats, without: str | None = None) -> list[str]:
    """Return the ten songs of highest inner product, exactly; equal ones by id."""
    scores = items @ query
    many = min(TOP + 1, len(ids))
    least = np.partition(scores, -many)[-many]
    order = sorted(np.flatnonzero(scores >= least).tolist(), key=lambda n: (-scores[n], ids[n]))
    return [ids[n] for n in order if ids[n] != without][:TOP]


def _middle(mixes: Sequence[Mix]) -> Mix:
    shares = [each.top_share for each in mixes if each.top_share is not None]
    return Mix(
        artists=float(np.mean([each.artists for each in mixes])),
        top_share=float(np.mean(shares)) if shares else None,
        place=_median([each.place for each in mixes if each.place is not None]),
    )


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
