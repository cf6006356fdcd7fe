"""`make faults`: break the ingestion in fourteen ways, on a stack of its own.

Prints a table, writes it to reports/faults.md and reports/faults.json, and exits 1 when one of
the faults had an effect that it must not have. Takes about 40 minutes; --only 1,6 for some.
"""

import argparse
import json
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass

from infra.local.install import ROOT
from tests.faults import crashes, files, messages, stores, watching
from tests.faults.rig import Rig
from tests.integration.stack import free_ports, make, stack_of

STATE = ROOT / ".nocturne-faults"
REPORTS = ROOT / "reports"
NIGHTLY = ("maintain_lake", "etl_master_data", "train_als")
FAULTS: dict[int, tuple[str, Callable[[Rig], str]]] = {
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


@dataclass(frozen=True)
class Outcome:
    """What came out of one fault."""

    number: int
    fault: str
    held: bool
    figures: str
    seconds: float


def commit(rig: Rig, number: int) -> Outcome:
    """Commit one fault and say what came out."""
    name, fault = FAULTS[number]
    print(f"faults: {number}. {name} ...", flush=True)
    began = time.monotonic()
    try:
        held, figures = True, fault(rig)
    except Exception as error:  # the others are tried all the same
        traceback.print_exc()
        held, figures = False, f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - began
    print(
        f"faults: {number}. {'held' if held else 'BROKE'} in {seconds:.0f} s: {figures}", flush=True
    )
    return Outcome(number, name, held, figures, round(seconds, 1))


def leave_only_supervision(rig: Rig) -> None:
    """Pause the nightly DAGs: a new installation catches up with last night."""
    airflow = rig.stack.airflow()
    airflow.wait_for_dags({"stream_supervisor", *NIGHTLY})
    for dag in NIGHTLY:
        airflow.call("PATCH", f"dags/{dag}", json={"is_paused": True})


def table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as a Markdown table."""
    lines = ["| # | fault | held | figures | seconds |", "|---|---|---|---|---|"]
    lines += [
        f"| {o.number} | {o.fault} | {'yes' if o.held else 'NO'} | {o.figures} | {o.seconds:.0f} |"
        for o in outcomes
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Commit the faults; 1 when one of them broke something."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--only", default="", help="numbers of faults, with commas")
    wanted = [int(n) for n in parser.parse_args().only.split(",") if n] or list(FAULTS)
    local = free_ports(STATE)
    make("down", local)
    shutil.rmtree(STATE, ignore_errors=True)
    make("up", local)
    try:
        with closing(Rig(stack_of(local))) as rig:
            rig.ensure_songs()
            leave_only_supervision(rig)
            outcomes = [commit(rig, number) for number in wanted]
            print(f"faults: the lake afterwards: {rig.verify_lake()}", flush=True)
    finally:
        make("down", local)
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "faults.md").write_text(table(outcomes))
    (REPORTS / "faults.json").write_text(json.dumps([asdict(o) for o in outcomes], indent=1) + "\n")
    print(table(outcomes), end="")
    return 0 if all(outcome.held for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
