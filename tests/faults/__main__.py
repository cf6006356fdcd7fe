"""`make faults`: break the ingestion in fourteen ways, on a stack of its own.

Prints a table, writes it to reports/faults.md and reports/faults.json, and exits 1 when one of
the faults had an effect that it must not have. Takes about 40 minutes; --only 1,6 for some.
"""

import argparse
import sys
from contextlib import closing

from tests.faults import crashes, files, messages, stores, watching
from tests.faults.rig import Rig
from tests.faults.suite import Fault, commit, conclude, own_stack

NIGHTLY = ("maintain_lake", "etl_master_data", "train_als")
FAULTS: dict[int, Fault[Rig]] = {
    1: ("SIGKILL of the driver, 20 times", crashes.killed_again_and_again),
    2: ("SIGKILL between lake, counts and checkpoint", crashes.killed_between_commits),
    3: ("SIGKILL of the broker, 5 times", stores.broker_restarted),
    4: ("MinIO away for 2 minutes", lambda rig: stores.store_away(rig, "minio")),
    5: ("MongoDB away for 2 minutes", lambda rig: stores.store_away(rig, "mongo")),
    6: ("checkpoint deleted", crashes.checkpoint_deleted),
    7: ("1 % bad messages, one of 10 MB", messages.bad_messages),
    8: ("repeated, late, future and 1970 events", messages.repeated_and_late),
    9: ("driver frozen, dead, or too slow", watching.unwell),
    10: ("scheduler and triggerer killed, run failed", watching.supervisors_die),
    11: ("300 micro-batches, then maintenance", files.many_batches),
    12: ("two drivers", crashes.two_drivers),
    13: ("Kafka's retention passes the lag", stores.retention_passed),
    14: ("a listener is erased", messages.listener_erased),
}


def leave_only_supervision(rig: Rig) -> None:
    """Pause the nightly DAGs: a new installation catches up with last night."""
    airflow = rig.stack.airflow()
    airflow.wait_for_dags({"stream_supervisor", *NIGHTLY})
    for dag in NIGHTLY:
        airflow.call("PATCH", f"dags/{dag}", json={"is_paused": True})


def main() -> int:
    """Commit the faults; 1 when one of them broke something."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", default="", help="numbers of faults, with commas")
    wanted = [int(n) for n in parser.parse_args().only.split(",") if n] or list(FAULTS)
    with own_stack() as stack, closing(Rig(stack)) as rig:
        rig.ensure_songs()
        leave_only_supervision(rig)
        outcomes = [commit(FAULTS, number, rig) for number in wanted]
        print(f"faults: the lake afterwards: {rig.verify_lake()}", flush=True)
    return conclude("faults", outcomes)


if __name__ == "__main__":
    sys.exit(main())
