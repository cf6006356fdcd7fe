"""make faults-serving: take stores away from an app under load, on a stack of its own.

Each store is killed, frozen, slowed by two seconds and made to answer garbage, and at last all
but the worker's memory is away. Prints a table, writes it to reports/faults_serving.md and .json,
and exits 1 when an answer was an error, empty or with a song twice. Takes about 20 minutes;
--only 1,6 for some.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.away.rig import Rig, all_away, away, reloaded, rig_of
from tests.faults.suite import Fault, commit, conclude, own_stack
from tests.integration.stack import Stack

CASES = [
    (s, h) for s in ("milvus", "mongodb", "redis") for h in ("killed", "frozen", "slow", "garbage")
]
# Kafka tells its clients its own address, so no wire to it stays in between.
CASES += [("kafka", "killed"), ("kafka", "frozen")]
FAULTS: dict[int, Fault[Rig]] = {
    number: (f"{store} {how}", away(store, how))
    for number, (store, how) in enumerate(CASES, start=1)
}
FAULTS[len(FAULTS) + 1] = ("all but memory away", all_away)
FAULTS[len(FAULTS) + 1] = ("the app is reloaded (SIGHUP) three times", reloaded)


@contextmanager
def rigged(stack: Stack) -> Iterator[Rig]:
    """Yield a rig on the stack, and end it."""
    rig = rig_of(stack)
    try:
        yield rig
    finally:
        rig.close()


def main() -> int:
    """Commit the faults; 1 when one of them broke something."""
    parser = argparse.ArgumentParser(prog="make faults-serving", description=__doc__)
    parser.add_argument("--only", default="", help="numbers of faults, with commas")
    wanted = [int(n) for n in parser.parse_args().only.split(",") if n] or list(FAULTS)
    with own_stack() as stack, rigged(stack) as rig:
        outcomes = [commit(FAULTS, number, rig) for number in wanted]
    return conclude("faults_serving", outcomes)


if __name__ == "__main__":
    sys.exit(main())
