"""`make faults-publish`: break the publication of generations, on a stack of its own.

Prints a table, writes it to reports/faults_publish.md and .json, and exits 1 when one of the
faults had an effect that it must not have. Takes about 20 minutes; --only 1,6 for some.
"""

import argparse
import sys
from contextlib import closing

from tests.faults.suite import Fault, commit, conclude, own_stack
from tests.publishing import faults
from tests.publishing.load import switches_under_load
from tests.publishing.world import World

NIGHTLY = ("maintain_lake", "etl_master_data", "train_als")
_LAST = len(faults.KILLS)
FAULTS: dict[int, Fault[World]] = {
    **{number: (f"SIGKILL, {step}", fault) for number, (step, fault) in faults.KILLS.items()},
    _LAST + 1: ("two publishers at once", faults.two_at_once),
    _LAST + 2: ("Milvus away during indexing", faults.milvus_away_while_indexing),
    _LAST + 3: ("MongoDB away during user sync", faults.mongodb_away_during_user_sync),
    _LAST + 4: ("20 publishes and 5 rollbacks under 50 requests/s", switches_under_load),
}


def main() -> int:
    """Commit the faults; 1 when one of them broke something."""
    parser = argparse.ArgumentParser(prog="make faults-publish", description=__doc__)
    parser.add_argument("--only", default="", help="numbers of faults, with commas")
    wanted = [int(n) for n in parser.parse_args().only.split(",") if n] or list(FAULTS)
    with own_stack() as stack, closing(World(stack)) as world:
        airflow = stack.airflow()
        airflow.wait_for_dags({"stream_supervisor", *NIGHTLY})
        for dag in NIGHTLY:
            airflow.call("PATCH", f"dags/{dag}", json={"is_paused": True})
        (first,) = world.make(1)
        world.run("publish", first)
        world.wait_served(first)
        outcomes = [commit(FAULTS, number, world) for number in wanted]
    return conclude("faults_publish", outcomes)


if __name__ == "__main__":
    sys.exit(main())
