"""A song's cover: the stored one, or one that is drawn from the song's id alone."""

import colorsys
import hashlib
import re
from dataclasses import dataclass

from jobs.stores.media import Cover
from serving.held import Held
from serving.recommend.sources import Away
from serving.stores import Stores

SIZES = (96, 256, 512)
HELD_BYTES = 16 << 20
HELD_SECONDS = 300.0
SVG = "image/svg+xml"


@dataclass(frozen=True)
class Found:
    """A cover; `sure` is false where the store could not be asked for a better one."""

    cover: Cover
    sure: bool = True


class Covers:
    """Covers of all songs; those that were asked for last stay in the worker's memory."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        # A song without a cover takes some room as well, or strangers could fill the memory.
        self._held: Held[str, Cover | None] = Held(
            HELD_BYTES, HELD_SECONDS, lambda cover: 512 + (len(cover.body) if cover else 0)
        )

    def find(self, track_id: str, size: int) -> Found:
        """Return the stored cover, or one drawn at that size; never raises for want of one."""

        def read(_: object) -> dict[str, Cover | None]:
            return {track_id: self._stores.media.call(lambda media: media.cover(track_id))}

        try:
            stored = self._held.read([track_id], read)[track_id]
        except Away:
            stored = self._held.held([track_id]).get(track_id)
            return Found(stored or drawn(track_id, size), stored is not None)
        return Found(stored or drawn(track_id, size))


def drawn(track_id: str, size: int) -> Cover:
    """Return a square SVG of two colours and up to two letters, the same for the same id."""
    digest = hashlib.sha256(track_id.encode(errors="replace")).digest()
    hue = digest[0] / 256
    light, dark = _colour(hue, 0.42), _colour(hue + 0.08 + digest[1] / 1024, 0.24)
    words = re.findall(r"[^\W_]+", track_id)
    letters = "".join(word[0] for word in words[:2]).upper() or "♪"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96" width="{size}" '
        f'height="{size}"><rect width="96" height="96" fill="{dark}"/>'
        f'<circle cx="{24 + digest[2] % 48}" cy="{24 + digest[3] % 48}" r="44" fill="{light}"/>'
        '<text x="48" y="60" fill="#fff" font-family="system-ui, sans-serif" font-size="34" '
        f'font-weight="600" text-anchor="middle">{letters}</text></svg>'
    )
    return Cover(svg.encode(), SVG)


def _colour(hue: float, lightness: float) -> str:
    channels = colorsys.hls_to_rgb(hue % 1, lightness, 0.4)
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in channels)
