"""Generated clips: chords, bass, melody and drums in the manner of a genre.

A genre has some pieces, each with a tempo, a key and chords of its own. A piece has loops of two
bars, with the first or the second half of the chords and one of several melodies. A song is one
of the pieces, its loops in an order of its own.
"""

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np

from jobs.simulate.catalogue import GENRES
from jobs.simulate.mp3 import (
    DELAY_SAMPLES,
    FRAME_BYTES,
    FRAME_SAMPLES,
    FRAME_SECONDS,
    SAMPLE_RATE,
    Signal,
    encode,
    faded,
)

CLIP_SECONDS = 35.0
"""The player counts no listen of a song of 30 seconds or less."""

PIECES = 3
MELODIES = 3
STEPS = 32
"""Sixteenths in the two bars of a loop."""

MOST_FRAMES = 400
"""No loop is longer."""

FADE_IN_SECONDS, FADE_OUT_SECONDS = 0.25, 1.0
PEAK = 0.3
"""Of full scale: about -10 dB, so that nobody is startled."""

MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
DORIAN = (0, 2, 3, 5, 7, 9, 10)
MIXOLYDIAN = (0, 2, 4, 5, 7, 9, 10)
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 0, 4))


@dataclass(frozen=True)
class Style:
    """How a genre sounds; `overtones` are the strengths of harmonics 1, 2, 3 ..."""

    bpm: int
    scale: tuple[int, ...]
    overtones: tuple[float, ...]
    attack_s: float
    decay_s: float
    kick: str = ""  # sixteen steps of a bar; x is a hit
    hat: str = ""
    melody: float = 0.5  # chance of a note on each eighth


STYLES = {
    "ambient": Style(60, MAJOR, (1, 0.3, 0.1), 0.8, 3.0, melody=0.15),
    "classical": Style(76, MAJOR, (1, 0.5, 0.35, 0.2, 0.1), 0.12, 1.2, melody=0.7),
    "jazz": Style(132, DORIAN, (1, 0.4, 0.1), 0.01, 0.5, hat="x..x.xx..x.xx..x", melody=0.6),
    "soul": Style(
        84, DORIAN, (1, 0.6, 0.2), 0.06, 0.9, "x.....x.x.......", "..x...x...x...x.", 0.4
    ),
    "funk": Style(
        108, MIXOLYDIAN, (1, 0.7, 0.5, 0.3), 0.005, 0.2, "x..x..x...x..x..", "x.x.x.x." * 2
    ),
    "hip hop": Style(90, MINOR, (1, 0.3), 0.01, 0.6, "x......x..x.....", "x.x.x.x.x.x.x.xx", 0.3),
    "house": Style(124, MINOR, (1, 0.5, 0.3, 0.2), 0.01, 0.3, "x..." * 4, "..x." * 4, 0.35),
    "techno": Style(134, MINOR, (1, 0, 0.6, 0, 0.4), 0.005, 0.15, "x..." * 4, "x.x." * 4, 0.55),
    "synthpop": Style(
        116, MAJOR, (1, 0.5, 0.33, 0.25, 0.2), 0.01, 0.35, "x...x..." * 2, "..x." * 4
    ),
    "rock": Style(
        128, MIXOLYDIAN, (1, 0.8, 0.7, 0.5, 0.4, 0.3), 0.005, 0.6, "x.x.....x.x.....", "x.x." * 4
    ),
    "indie": Style(
        104, DORIAN, (1, 0.2, 0.5, 0.1), 0.03, 0.6, "x.......x.x.....", "x.x.x.x." * 2, 0.45
    ),
    "folk": Style(96, MIXOLYDIAN, (1, 0.8, 0.3, 0.15), 0.005, 0.4, melody=0.65),
}
"""One for each genre of the simulated catalogue."""


@dataclass(frozen=True)
class Piece:
    """What the loops of a piece share; `step_samples` is a sixteenth."""

    style: Style
    step_samples: int
    root: int  # MIDI note
    chords: tuple[int, ...]  # degrees of the scale, one a bar; two bars are a half

    @property
    def samples(self) -> int:
        """Length of a loop, a whole number of frames."""
        return STEPS * self.step_samples // FRAME_SAMPLES * FRAME_SAMPLES


def style_of(genre: str | None) -> str:
    """Return the style of a genre; one without a style of its own gets what its name decides."""
    name = genre or ""
    return name if name in STYLES else GENRES[_number(name) % len(GENRES)]


def make_clip(track_id: str, genre: str | None, seconds: float = CLIP_SECONDS) -> bytes:
    """Return an MP3 (mono) of that length; the same song always gets the same clip."""
    rng = np.random.default_rng(_number(track_id))
    style, piece = style_of(genre), int(rng.integers(PIECES))
    half, frames = int(rng.integers(2)), round(seconds / FRAME_SECONDS)
    clip = bytearray()
    while len(clip) < frames * FRAME_BYTES:
        melody = int(rng.integers(MELODIES))
        clip += _encoded(style, piece, half, melody, min(frames, MOST_FRAMES))
        half = 1 - half
    body = bytes(clip[: frames * FRAME_BYTES])
    return faded(body, FADE_IN_SECONDS, min(FADE_OUT_SECONDS, seconds / 4))


@cache
def _encoded(style: str, piece: int, half: int, melody: int, most_frames: int) -> bytes:
    return encode(render(style, piece, half, melody)[: most_frames * FRAME_SAMPLES])


def render(style: str, piece: int, half: int, melody: int) -> Signal:
    """Return the samples of a loop, within +-PEAK; what rings on at its end is at its start."""
    made = _piece(style, piece)
    rng = np.random.default_rng(_number(f"{style} {piece} {half} {melody}"))
    track = np.zeros(made.samples, dtype=np.float32)
    _add_tones(track, made, half, rng)
    _add_drums(track, made, rng)
    fade = int(0.01 * SAMPLE_RATE)
    end = len(track) - DELAY_SAMPLES - FRAME_SAMPLES
    track[end - fade : end] *= np.linspace(1, 0, fade, dtype=np.float32)
    track[end:] = 0
    return np.asarray(track * (PEAK / np.abs(track).max()), dtype=np.float32)


def _piece(style: str, piece: int) -> Piece:
    rng = np.random.default_rng(_number(f"{style} {piece}"))
    bpm = STYLES[style].bpm * rng.uniform(0.95, 1.05)
    chords = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    root = int(rng.integers(45, 57))
    return Piece(STYLES[style], round(SAMPLE_RATE * 60 / bpm / 4), root, chords)


def _add_tones(track: Signal, piece: Piece, half: int, rng: np.random.Generator) -> None:
    """Add a chord and a bass note per bar, and a melody that walks along the scale."""
    style, step_s = piece.style, piece.step_samples / SAMPLE_RATE
    place = 7
    for bar in range(2):
        degree, start = piece.chords[2 * half + bar], bar * 16 * step_s
        for above in (0, 2, 4):
            note = piece.root + _pitch(style, degree + above)
            _add_note(track, style, note, start, 16 * step_s, 0.22)
        bass = piece.root - 12 + _pitch(style, degree)
        _add_note(track, style, bass, start, 8 * step_s, 0.4)
        for eighth in range(8):
            place = int(np.clip(place + rng.integers(-2, 3), 4, 14))
            if rng.random() < style.melody:
                at = start + 2 * eighth * step_s
                note = piece.root + _pitch(style, place)
                _add_note(track, style, note, at, 4 * step_s, 0.3)


def _pitch(style: Style, degree: int) -> int:
    octave, place = divmod(degree, len(style.scale))
    return 12 * octave + style.scale[place]


def _add_note(
    track: Signal, style: Style, note: int, start_s: float, length_s: float, volume: float
) -> None:
    t = _times(length_s)
    envelope = np.minimum(t / style.attack_s, 1) * np.exp(-t / style.decay_s)
    envelope *= np.minimum((t[-1] - t) / 0.02, 1)  # no click at the end
    turn = 2 * np.pi * 440 * 2 ** ((note - 69) / 12) * t
    tone = sum(
        strength * np.sin(number * turn)
        for number, strength in enumerate(style.overtones, start=1)
        if strength
    )
    _mix(track, volume / sum(style.overtones) * envelope * tone, start_s)


def _add_drums(track: Signal, piece: Piece, rng: np.random.Generator) -> None:
    t = _times(0.18)
    kick = 0.6 * np.exp(-t / 0.06) * np.sin(2 * np.pi * (45 * t + 6 * (1 - np.exp(-t / 0.03))))
    hat = 0.06 * np.exp(-t / 0.02) * rng.standard_normal(len(t), dtype=np.float32)
    for pattern, sound in ((piece.style.kick, kick), (piece.style.hat, hat)):
        for step in range(STEPS):
            if pattern and pattern[step % 16] == "x":
                _mix(track, sound, step * piece.step_samples / SAMPLE_RATE)


def _times(seconds: float) -> Signal:
    return np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32) / np.float32(SAMPLE_RATE)


def _mix(track: Signal, sound: Signal, start_s: float) -> None:
    """Add a sound; what would go beyond the end of the loop is heard at its start."""
    start = int(start_s * SAMPLE_RATE)
    fits = min(len(sound), len(track) - start)
    track[start : start + fits] += sound[:fits]
    track[: len(sound) - fits] += sound[fits:]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest())
