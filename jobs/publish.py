"""Make indexed generations live, one after the other, and retire what is beyond the last few.

The pointer is switched first and everything else follows: whoever serves reads the pointer
alone. Before that the app is asked for the generation, over HTTP. A repeat changes nothing
but mends what an interrupted run left: states, the alias, vectors of retired generations.
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

from pymongo.errors import PyMongoError

from jobs.contract.errors import NocturneError, NotPublished
from jobs.contract.generations import State, generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.index.retire import to_retire
from jobs.index.servable import why_not
from jobs.smoke import Smoke
from jobs.stores.away import stores_named
from jobs.stores.documents import Documents
from jobs.stores.generation_lists import GenerationLists
from jobs.stores.generations import Generations, Pointer
from jobs.stores.vectors import AWAY, Vectors

FOLLOW_SECONDS = 2.0
"""Serving has followed the pointer by then."""


class Publisher:
    """Switches the pointer and tidies up after it."""

    def __init__(self, settings: Settings, vectors: Vectors | None = None) -> None:
        self._generations = Generations(settings)
        self._documents = Documents(settings)
        self._vectors = vectors or Vectors(settings)
        self._lists = GenerationLists(settings)
        self._smoke = Smoke(settings, self._documents, self._vectors)
        self._keep = settings.keep_generations

    def close(self) -> None:
        """End the connections."""
        stores = (self._generations, self._documents, self._vectors, self._lists, self._smoke)
        for store in stores:
            store.close()

    def live(self) -> str | None:
        """Return what is live."""
        return self._generations.live().generation

    def roll_back(
        self, to: str | None, reason: str, by: str, expected: str | None = None
    ) -> list[str]:
        """Make an earlier generation live (None: what was live before), for a reason.

        Raises NotPublished where there is none to go back to, or where another one is live
        than whoever decided it saw (`expected`).
        """
        pointer = self._generations.settle()
        if expected and pointer.generation != expected:
            raise NotPublished(
                f"nothing was rolled back: {pointer.generation} is live now, not {expected}"
            )
        earlier = [g for g in self._generations.servable() if g != pointer.generation]
        if to is None and not earlier:
            raise NotPublished(f"there is nothing to go back to: only {pointer.generation} is kept")
        chosen = to or earlier[0]
        state = self._state(chosen)
        if state not in (State.LIVE, State.RETIRED):
            raise NotPublished(f"{chosen} is {state}, it was not live: publish it instead")
        return self._make_live(chosen, pointer, by=by, reason=reason or "rollback")

    def publish(self, generation: str) -> list[str]:
        """Make a new generation live; return what could not be tidied up afterwards.

        Raises NotPublished, with the pointer as it was, when the generation cannot serve or
        was live before, or when somebody else switched meanwhile.
        """
        # Read before the checks, so that a switch during them is noticed.
        pointer = self._generations.settle()
        if self._state(generation) == State.RETIRED:
            raise NotPublished(
                f"{generation} was not published: it was live before, and is not made live again "
                f"by itself. To go back to it: make rollback TO={generation}"
            )
        return self._make_live(generation, pointer)

    def resume(
        self, generation: str, pointer: Pointer, at: datetime | None, by: str, reason: str
    ) -> list[str]:
        """Make what a backup had live, live again; it was published `at`.

        `pointer` is as the restore left it. Raises NotPublished like `publish`.
        """
        return self._make_live(generation, pointer, at, by=by, reason=reason)

    def _make_live(
        self, generation: str, pointer: Pointer, at: datetime | None = None, **why: str
    ) -> list[str]:
        """Switch to a generation; `why` is kept in the history of those that change."""
        if pointer.generation == generation:
            print(f"publish: {generation} is live already (fence {pointer.fence})")
            return self._tidy(pointer)
        self._check(generation)
        now = self._generations.switch(generation, pointer, at, **why)
        print(f"publish: {generation} is live (fence {now.fence}), was {pointer.generation}")
        return self._tidy(now)

    def _state(self, generation: str) -> State:
        document = self._generations.find(generation)
        if document is None:
            raise NotPublished(f"there is no generation {generation}: see train_als")
        return State(document["state"])

    def _check(self, generation: str) -> None:
        document = self._generations.find(generation) or {}
        reason = why_not(State(document["state"]), bool(document.get("gone")))
        if reason:
            raise NotPublished(f"{generation} was not published: {reason}")
        try:
            anything = [[1.0] * self._vectors.dimension(generation)]
            answers = self._vectors.search(generation, anything, 1)[0]
        except AWAY as error:
            raise NotPublished(
                f"{generation} was not published: Milvus cannot search it: {error}"
            ) from error
        users = self._documents.count_vectors(generation)
        if not answers or users != document["users"]:
            raise NotPublished(
                f"{generation} was not published: a search found {len(answers)} songs, and "
                f"{users} of {document['users']} listeners have a vector: run build_index again"
            )
        self._smoke.test(generation)

    def _tidy(self, pointer: Pointer) -> list[str]:
        """Move the alias, then remove what no longer serves; each failure is one sentence."""
        live = str(pointer.generation)
        alias = _attempt(lambda: self._vectors.point_alias(live))
        warnings = [f"the alias could not be moved: {alias}"] if alias else []
        retired = to_retire(self._generations.servable(), live, self._keep)
        for generation in retired:
            # First out of the list of what may be rolled back to, then its vectors.
            self._generations.forget(generation)
        gone = {d["_id"] for d in self._generations.all() if d.get("gone")} - {live}
        doomed = sorted(gone & {*retired, *self._vectors.generations()})
        if not doomed:
            return warnings
        if not self._generations.claim(pointer):
            for generation in retired:
                self._generations.recall(generation)
            return [*warnings, f"nothing was removed: somebody switched from {live} meanwhile"]
        _wait_until_followed(pointer)
        for generation in doomed:
            print(f"publish: {generation} is no longer kept")
            if error := _attempt(self._removal(generation)):
                warnings.append(f"{generation} could not be removed: {error}")
        return warnings

    def _removal(self, generation: str) -> Callable[[], None]:
        def remove() -> None:
            # The collection last: as long as it is there, the next run tries again.
            self._documents.drop_vectors(generation)
            self._lists.drop(generation)
            self._vectors.drop(generation)

        return remove


def _wait_until_followed(pointer: Pointer) -> None:
    """Wait until nobody serves what was live before the last switch."""
    now = datetime.now(UTC)
    passed = (now - (pointer.published_at or now)).total_seconds()
    time.sleep(min(FOLLOW_SECONDS, max(0.0, FOLLOW_SECONDS - passed)))


def _attempt(step: Callable[[], None]) -> Exception | None:
    try:
        step()
    except (*AWAY, PyMongoError) as error:
        return error
    return None


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, at the first generation that was not published.

    What could not be tidied up is a warning: the generation is live, and the next run tries
    again.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("generation", nargs="+", type=generation_id)
    args = parser.parse_args(argv)
    try:
        with stores_named(), closing(Publisher(load_settings())) as publisher:
            # A repeat goes on behind what an earlier run made live.
            live = publisher.live()
            done = args.generation.index(live) if live in args.generation else 0
            for generation in args.generation[done:]:
                for warning in publisher.publish(generation):
                    print(f"publish: warning: {warning}; the next run tries again", file=sys.stderr)
    except NocturneError as error:
        print(f"publish: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
