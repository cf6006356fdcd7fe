"""Short generated clips: a loop of chords, bass, melody and drums in the manner of a genre."""

import hashlib
import io
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from jobs.simulate.catalogue import GENRES

Signal = NDArray[np.float32]

SAMPLE_RATE = 32_000
CLIP_SECONDS = 10.0
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


def make_clip(track_id: str, genre: str | None) -> bytes:
    """Return an MP3 (mono) of `CLIP_SECONDS`; the same song always gets the same clip.

    A genre without a style gets one that its name decides.
    """
    buffer = io.BytesIO()
    samples = render(track_id, genre)
    soundfile.write(buffer, samples, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


def render(track_id: str, genre: str | None) -> Signal:
    """Return the samples of a clip, within +-PEAK."""
    name = genre or ""
    style = STYLES.get(name) or STYLES[GENRES[_number(name) % len(GENRES)]]
    rng = np.random.default_rng(_number(track_id))
    step_s = 60 / (style.bpm * rng.uniform(0.95, 1.05)) / 4
    track = np.zeros(int(SAMPLE_RATE * CLIP_SECONDS), dtype=np.float32)
    _add_tones(track, style, step_s, rng)
    _add_drums(track, style, step_s, rng)
    fade = int(0.25 * SAMPLE_RATE)
    track[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    track[-4 * fade :] *= np.linspace(1, 0, 4 * fade, dtype=np.float32)
    return np.asarray(track * (PEAK / np.abs(track).max()), dtype=np.float32)


def _add_tones(track: Signal, style: Style, step_s: float, rng: np.random.Generator) -> None:
    """Add a chord and a bass note per bar, and a melody that walks along the scale."""
    root = int(rng.integers(45, 57))  # MIDI note
    chords = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    place = 7
    for bar in range(int(CLIP_SECONDS / (16 * step_s)) + 1):
        degree, start = chords[bar % len(chords)], bar * 16 * step_s
        for above in (0, 2, 4):
            note = root + _pitch(style, degree + above)
            _add_note(track, style, note, start, 16 * step_s, 0.22)
        _add_note(track, style, root - 12 + _pitch(style, degree), start, 8 * step_s, 0.4)
        for eighth in range(8):
            place = int(np.clip(place + rng.integers(-2, 3), 4, 14))
            if rng.random() < style.melody:
                at = start + 2 * eighth * step_s
                _add_note(track, style, root + _pitch(style, place), at, 4 * step_s, 0.3)


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


def _add_drums(track: Signal, style: Style, step_s: float, rng: np.random.Generator) -> None:
    t = _times(0.18)
    kick = 0.6 * np.exp(-t / 0.06) * np.sin(2 * np.pi * (45 * t + 6 * (1 - np.exp(-t / 0.03))))
    hat = 0.06 * np.exp(-t / 0.02) * rng.standard_normal(len(t), dtype=np.float32)
    for pattern, sound in ((style.kick, kick), (style.hat, hat)):
        for step in range(int(CLIP_SECONDS / step_s)):
            if pattern and pattern[step % 16] == "x":
                _mix(track, sound, step * step_s)


def _times(seconds: float) -> Signal:
    return np.arange(int(seconds * SAMPLE_RATE), dtype=np.float32) / np.float32(SAMPLE_RATE)


def _mix(track: Signal, sound: Signal, start_s: float) -> None:
    start = int(start_s * SAMPLE_RATE)
    end = min(start + len(sound), len(track))
    if start < end:
        track[start:end] += sound[: end - start]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest())
