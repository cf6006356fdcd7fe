"""Recommendations as people see them: songs with rank, score and reason."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serving.recommend.ranking import Pick
from serving.recommend.reasons import Reason
from serving.recommend.shelves import Shelf
from serving.recommend.sources import Away, Song
from serving.services import services

SENTENCES = {
    "plays": "Because you played {songs}",
    "session": "Goes with {songs}",
    "similar": "Goes with {songs}",
    "taste": "Close to what you listen to",
    "nightly": "Picked for you last night",
    "popular": "Popular this week",
    "catalogue": "From the rest of the catalogue",
}
TITLES = {
    "made_for_you": "Made for you",
    "because": "Because you played {songs}",
    "new_for_you": "New for you",
    "popular": "Popular this week",
}
NAMED = 2
"""Songs that a sentence names."""


def listed(picks: Sequence[Pick], names: Mapping[str, Song]) -> list[dict[str, Any]]:
    """Return the songs of a list with rank (from 1), score and reason."""
    return [
        {"rank": rank, "score": found.score, "reason": _why(found, names), **found.song}
        for rank, found in enumerate(picks, start=1)
    ]


def title(found: Shelf, names: Mapping[str, Song]) -> str:
    """Return the title of a shelf."""
    return TITLES[found.id].format(songs=_titles([found.seed or ""], names) or "it")


def named(picks: Iterable[Pick], seeds: Iterable[str | None] = ()) -> Mapping[str, Song]:
    """Return the songs that the reasons name; while their store is away, those in memory."""
    wanted = {track_id for p in picks if p.reason for track_id, _ in p.reason.songs}
    wanted |= {seed for seed in seeds if seed}
    sources = services().ladder.sources
    try:
        return sources.songs(wanted) if wanted else {}
    except Away:
        return sources.held(wanted)


def _why(found: Pick, names: Mapping[str, Song]) -> dict[str, Any]:
    reason = found.reason or Reason("taste")
    # A song that was played speaks for itself most of all, which tells nobody anything.
    others = [track_id for track_id, _ in reason.songs if track_id != found.track_id]
    titles = _titles(others[:NAMED], names)
    sentence = SENTENCES[reason.kind] if titles or not reason.songs else SENTENCES["taste"]
    return {
        "kind": reason.kind,
        "text": sentence.format(songs=titles),
        "songs": [
            {
                "track_id": track_id,
                "title": names[track_id]["title"] if track_id in names else None,
                "share": round(share, 4),
            }
            for track_id, share in reason.songs
        ],
        "taste": _rounded(reason.taste),
        "session": _rounded(reason.session),
    }


def _titles(track_ids: Sequence[str], names: Mapping[str, Song]) -> str:
    return " and ".join(str(names[t]["title"]) for t in track_ids if t in names)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
