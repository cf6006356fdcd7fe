"""The stream's checkpoint: a folder that Spark writes, and what it says of offsets."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from jobs.contract.names import STREAM_QUERY
from jobs.contract.settings import Settings

Offsets = dict[int, int]
"""Kafka partition to the next offset, i.e. one behind the last that was taken."""


@dataclass(frozen=True)
class Plan:
    """What one micro-batch reads, as Spark wrote it down before it began."""

    start: Offsets
    end: Offsets
    in_time: bool
    """False when the clock went back past the watermark, so that all rows count as late."""

    def messages(self) -> int:
        """Return how many messages the batch reads."""
        return sum(end - self.start.get(p, 0) for p, end in self.end.items())


class Checkpoint:
    """Of Spark 4.0: `offsets/N` is written before batch N, `commits/N` after it."""

    def __init__(self, settings: Settings) -> None:
        self.folder = Path(settings.checkpoint_dir).resolve() / STREAM_QUERY
        self._topic = settings.kafka_topic

    def app_id(self) -> str:
        """Return the id under which this checkpoint's batches are committed; new with it."""
        return f"{STREAM_QUERY}:{json.loads((self.folder / 'metadata').read_text())['id']}"

    def exists(self) -> bool:
        """Say whether a query began here, so that it goes on from here."""
        return (self.folder / "metadata").exists() and self._first().exists()

    def plan(self, batch: int) -> Plan:
        """Return what a batch reads that has been planned."""
        metadata, end = self._offsets(batch)
        start = self._offsets(batch - 1)[1] if batch else self._initial()
        in_time = metadata["batchTimestampMs"] >= metadata["batchWatermarkMs"]
        return Plan(start, end, in_time)

    def next_batch(self) -> int:
        """Return the batch that comes next, or that was planned and not committed."""
        return max(_numbers(self.folder / "commits"), default=-1) + 1

    def position(self) -> Offsets:
        """Return where that batch begins."""
        batch = self.next_batch()
        return self._offsets(batch - 1)[1] if batch else self._initial()

    def discard(self) -> None:
        """Remove it: the next query begins behind what the lake holds, under a new app id."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _first(self) -> Path:
        return self.folder / "sources/0/0"

    def _initial(self) -> Offsets:
        return self._parse(self._first().read_text().splitlines()[-1])

    def _offsets(self, batch: int) -> tuple[dict[str, int], Offsets]:
        _, metadata, offsets = (self.folder / "offsets" / str(batch)).read_text().splitlines()
        return json.loads(metadata), self._parse(offsets)

    def _parse(self, text: str) -> Offsets:
        return {int(p): offset for p, offset in json.loads(text)[self._topic].items()}


def _numbers(folder: Path) -> list[int]:
    return [int(file.name) for file in folder.glob("[0-9]*") if file.name.isdigit()]
