"""Generated covers: SVG in the colours of the genre, with the title's initials."""

import hashlib
import re
from xml.etree import ElementTree as ET

import numpy as np

SIZE = 512
PALETTES = {
    "ambient": ("#1b2a41", "#4a7c94", "#a8d0db"),
    "classical": ("#3b2f2f", "#8c6a4f", "#e6d3b3"),
    "jazz": ("#14213d", "#b5651d", "#fca311"),
    "soul": ("#4a1942", "#a23b72", "#f18f7e"),
    "funk": ("#5f0f40", "#e36414", "#fbbf45"),
    "hip hop": ("#1f1f1f", "#6a4c93", "#c9b6e4"),
    "house": ("#03254c", "#1167b1", "#7fd8f7"),
    "techno": ("#0d0d0d", "#3d5a4c", "#9ef01a"),
    "synthpop": ("#2b0a57", "#b5179e", "#4cc9f0"),
    "rock": ("#250902", "#9b2226", "#ee9b00"),
    "indie": ("#264653", "#2a9d8f", "#e9c46a"),
    "folk": ("#283618", "#606c38", "#dda15e"),
}
OTHER_PALETTES = tuple(PALETTES.values())
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, escaped or not."""


def make_cover(track_id: str, title: str, artist: str | None, genre: str | None) -> bytes:
    """Return a square SVG: colours by genre, shapes by song, the same at every call."""
    name = genre or ""
    palette = PALETTES.get(name) or OTHER_PALETTES[_number(name) % len(OTHER_PALETTES)]
    rng = np.random.default_rng(_number(track_id))
    title, artist = _clean(title), _clean(artist or "")
    svg = ET.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {SIZE} {SIZE}", "role": "img"},
    )
    ET.SubElement(svg, "title").text = f"{title} – {artist}" if artist else title
    _add(svg, "rect", width=SIZE, height=SIZE, fill=palette[0])
    _add_shapes(svg, palette, rng)
    _add_text(svg, initials(title), y=320, size=170, weight=700, opacity=0.92)
    _add_text(svg, _short(title), y=440, size=30, weight=600, opacity=0.95)
    _add_text(svg, _short(artist), y=478, size=22, weight=400, opacity=0.8)
    return bytes(ET.tostring(svg, encoding="utf-8", xml_declaration=True))


def initials(title: str) -> str:
    """Return the first letters of the title's first two words, or a note where it has none."""
    words = [word for word in re.findall(r"\w+", title) if word.lower() not in {"the", "a", "of"}]
    return "".join(word[0] for word in words[:2]).upper() or "♪"


def _add_shapes(svg: ET.Element, palette: tuple[str, ...], rng: np.random.Generator) -> None:
    """Add circles, stripes or waves, as the song's numbers fall."""
    kind = int(rng.integers(3))
    for number in range(int(rng.integers(4, 8))):
        colour = palette[1 + number % 2]
        x, y, size = (int(value) for value in rng.integers((0, 0, 60), (SIZE, SIZE, 220)))
        if kind == 0:
            _add(svg, "circle", cx=x, cy=y, r=size, fill=colour, opacity=0.35)
        elif kind == 1:
            turn = f"rotate({int(rng.integers(-60, 60))} {x} {y})"
            _add(
                svg,
                "rect",
                x=x - SIZE,
                y=y,
                width=2 * SIZE,
                height=size // 3,
                fill=colour,
                opacity=0.4,
                transform=turn,
            )
        else:
            wave = f"M0 {y} Q{SIZE // 4} {y - size} {SIZE // 2} {y} T{SIZE} {y} V{SIZE} H0 Z"
            _add(svg, "path", d=wave, fill=colour, opacity=0.3)


def _add_text(
    svg: ET.Element, text: str, *, y: int, size: int, weight: int, opacity: float
) -> None:
    element = _add(
        svg,
        "text",
        x=SIZE // 2,
        y=y,
        fill="#ffffff",
        opacity=opacity,
        **{
            "text-anchor": "middle",
            "font-family": "system-ui, sans-serif",
            "font-size": size,
            "font-weight": weight,
        },
    )
    element.text = text


def _add(svg: ET.Element, tag: str, **attributes: object) -> ET.Element:
    return ET.SubElement(svg, tag, {name: str(value) for name, value in attributes.items()})


def _short(text: str, most: int = 30) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _clean(text: str) -> str:
    return " ".join(NOT_XML.sub("", text).split())


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest())
