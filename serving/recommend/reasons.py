"""Why a song is in a list: what its score was made of, computed and not guessed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from serving.recommend.fold_in import FoldedIn
from serving.recommend.model import Model

Kind = Literal["plays", "session", "taste", "similar", "nightly", "popular", "catalogue"]
MOST_SONGS = 3


@dataclass(frozen=True)
class Reason:
    """Where a score comes from.

    `songs` are up to three songs that contributed most, with their shares of all that speaks for
    the song (0 to 1). `taste` and `session` are the shares of what the listener likes anyway and
    of what is playing now; they add up to 1 where both were computed.
    """

    kind: Kind
    songs: Sequence[tuple[str, float]] = ()
    taste: float | None = None
    session: float | None = None


def of_plays(model: Model, folded: FoldedIn, track_ids: Sequence[str]) -> dict[str, Reason]:
    """Return the plays behind each song's score; songs that nothing speaks for are left out."""
    lines = np.maximum(folded.contributions(model.matrix[model.rows(track_ids)]), 0.0)
    whole = lines.sum(axis=1)
    lines = lines / np.where(whole > 0, whole, 1.0)[:, None]
    best = np.argsort(-lines, axis=1, kind="stable")[:, :MOST_SONGS]
    shares = np.take_along_axis(lines, best, axis=1).tolist()
    found = {}
    for track_id, places, of_them in zip(track_ids, best.tolist(), shares, strict=True):
        pairs = zip(places, of_them, strict=True)
        songs = [(folded.played[place], share) for place, share in pairs if share > 0]
        if songs:
            found[track_id] = Reason("plays", songs, taste=1.0, session=0.0)
    return found


def of_session(near: Mapping[str, float], taste: float, song: float, current: str | None) -> Reason:
    """Return where a score of the hybrid comes from.

    `near` is what each song of the session added as a neighbour, `taste` and `song` what the
    cosines with listener and current song added.
    """
    parts = dict(near)
    if current is not None:
        parts[current] = parts.get(current, 0.0) + max(song, 0.0)
    taste, session = max(taste, 0.0), sum(parts.values())
    whole = taste + session
    if whole <= 0:
        return Reason("taste")
    best = sorted(parts, key=lambda track_id: -parts[track_id])[:MOST_SONGS]
    songs = [(track_id, parts[track_id] / whole) for track_id in best if parts[track_id] > 0]
    kind: Kind = "session" if session >= taste else "taste"
    return Reason(kind, songs, taste=taste / whole, session=session / whole)
