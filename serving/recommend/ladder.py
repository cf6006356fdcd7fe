"""Answers every wish from the best rung whose stores answer."""

from dataclasses import dataclass, replace

from serving.recommend.climb import Answer, Climb, Options, Wish
from serving.recommend.listener import Listener, Reads, Snapshot, known_listener
from serving.recommend.shelves import Shelf, read_ahead, shelves
from serving.recommend.sources import Memory, Sources


@dataclass(frozen=True)
class Ladder:
    """Answers every wish from the best rung whose stores answer."""

    sources: Sources
    options: Options

    def home(
        self, wish: Wish, snapshot: Snapshot, memory: Memory | None
    ) -> tuple[Answer, list[Shelf]]:
        """Return what `answer` does, and the shelves of a home page that begin with it.

        `memory` is what the listener did lately; None where its store did not answer.
        """
        reads = Reads(self.sources, snapshot)
        if memory is None:
            reads.lack("redis")
        climb = Climb(self.options, reads, wish, _listener(reads, wish, memory))
        read_ahead(climb)
        answer = climb.answer()
        found = shelves(climb, answer)
        return replace(answer, degraded=reads.degraded), found

    def answer(self, wish: Wish, snapshot: Snapshot) -> Answer:
        """Return at most `wish.limit` songs of the snapshot's generation.

        Songs that were heard or skipped lately stay out, unless nothing else is left: then they
        come back. Songs of the wish and banned ones never do.
        """
        reads = Reads(self.sources, snapshot)
        return Climb(self.options, reads, wish, _listener(reads, wish)).answer()


def _listener(reads: Reads, wish: Wish, memory: Memory | None = None) -> Listener:
    """Return what is known of who asks: without an account, the songs of the session."""
    if wish.user_id is not None:
        return known_listener(reads, wish.user_id, memory)
    played = [(track_id, wish.now_ms) for track_id in reversed(wish.played)]
    return Listener(memory=Memory(plays=played))
