"""The simulated world: what it is made from, its songs and its listeners."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import numpy as np

from jobs.contract.errors import BadInput
from jobs.simulate.catalogue import Catalogue, make_catalogue
from jobs.simulate.listeners import Listeners, make_listeners

VERSION = 1
"""Raised when the same arguments make another world, so that an old one is made anew."""


@dataclass(frozen=True)
class WorldArguments:
    """All that decides a world; the history covers the `days` UTC days before `until`."""

    days: int
    until: date
    listeners: int
    songs: int
    seed: int

    @property
    def first_day(self) -> int:
        """First day of the history, in days since 1970-01-01."""
        return self.last_day - self.days

    @property
    def last_day(self) -> int:
        """Day after the history, in days since 1970-01-01."""
        return (self.until - date(1970, 1, 1)) // timedelta(days=1)

    def marker(self) -> str:
        """Return the arguments as JSON, from which `from_marker` makes them again."""
        return json.dumps(asdict(self) | {"until": f"{self.until}", "version": VERSION}, indent=2)

    @classmethod
    def from_marker(cls, text: str) -> "WorldArguments":
        """Read a marker; raises BadInput where it is of another version or no marker."""
        try:
            values = json.loads(text)
            if values.pop("version") != VERSION:
                raise BadInput("the simulated world is of another version: make it anew")
            return cls(**values | {"until": date.fromisoformat(values["until"])})
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"not the arguments of a simulated world: {error}") from None


@dataclass(frozen=True)
class World:
    """A catalogue and its listeners. The same arguments make the same world."""

    arguments: WorldArguments
    catalogue: Catalogue
    listeners: Listeners

    def rng(self, *use: object) -> np.random.Generator:
        """Return the random numbers of one use in this world: others never shift them."""
        return _rng(self.arguments.marker(), *use)


def make_world(arguments: WorldArguments) -> World:
    """Make the songs and listeners of a world.

    Titles, artists, lengths and tastes depend on the seed and the counts alone; release and
    join dates follow the history's window.
    """
    seed, window = arguments.seed, (arguments.first_day, arguments.last_day)
    catalogue = make_catalogue(arguments.songs, window, _rng(seed, "songs"))
    listeners = make_listeners(arguments.listeners, catalogue, window, _rng(seed, "listeners"))
    return World(arguments, catalogue, listeners)


def _rng(*key: object) -> np.random.Generator:
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))
