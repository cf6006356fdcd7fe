"""MP3 that is put together from encoded pieces: encoding costs more than all the rest of a clip.

Every frame has the same length in samples and bytes. An encoding starts without a reference to
frames before it, so that whole encodings, and beginnings of them, can follow each other.
"""

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

Signal = NDArray[np.float32]

SAMPLE_RATE = 24_000
FRAME_SAMPLES = 576
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
FRAME_BYTES = 96
"""At 32 kbit/s, constant."""

LEVEL = 0.85
"""What libsndfile calls 32 kbit/s of 160."""

DELAY_SAMPLES = 1105
"""Encoder and decoder together play a sound so much later."""

GAIN_BIT = 4 * 8 + 30
"""Place of the gain in a frame of one channel: 8 bits, 1.5 dB each."""


def encode(samples: Signal) -> bytes:
    """Return a whole number of frames as long as the samples, which are a multiple of them.

    The last DELAY_SAMPLES of the samples are lost: they ought to be silent.
    """
    if len(samples) % FRAME_SAMPLES:
        raise ValueError(f"{len(samples)} samples are no whole number of frames")
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        samples,
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=LEVEL,
    )
    body = buffer.getvalue()
    if len(body) % FRAME_BYTES or body[FRAME_BYTES : FRAME_BYTES + 3] != body[:3]:
        raise ValueError("libsndfile wrote frames of another length")
    return body[: len(samples) // FRAME_SAMPLES * FRAME_BYTES]


def faded(body: bytes, first: float, last: float, depth_db: float = 60.0) -> bytes:
    """Return the frames with the gain of the first and last seconds rising and falling."""
    frames = bytearray(body)
    count = len(body) // FRAME_BYTES
    rising = min(round(first / FRAME_SECONDS), count)
    falling = min(round(last / FRAME_SECONDS), count)
    steps = depth_db / 1.5
    for place in range(rising):
        _lower(frames, place, round(steps * (1 - place / rising)))
    for place in range(falling):
        _lower(frames, count - 1 - place, round(steps * (1 - place / falling)))
    return bytes(frames)


def _lower(frames: bytearray, frame: int, steps: int) -> None:
    at, shift = divmod(GAIN_BIT, 8)
    start = frame * FRAME_BYTES + at
    both = int.from_bytes(frames[start : start + 2])
    keep = 16 - 8 - shift
    gain = (both >> keep) & 0xFF
    lowered = both & ~(0xFF << keep) | (max(0, gain - steps) << keep)
    frames[start : start + 2] = lowered.to_bytes(2)
