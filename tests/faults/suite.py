"""How a suite of faults runs: one after the other, on a stack of its own, with a table."""

import json
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TypeVar

from infra.local.install import ROOT
from tests.integration.stack import Stack, free_ports, make, stack_of

STATE = ROOT / ".nocturne-faults"
REPORTS = ROOT / "reports"
R = TypeVar("R")
Fault = tuple[str, Callable[[R], str]]


@dataclass(frozen=True)
class Outcome:
    """What came out of one fault."""

    number: int
    fault: str
    held: bool
    figures: str
    seconds: float


@contextmanager
def own_stack() -> Iterator[Stack]:
    """Start an empty stack on free ports, and stop it at the end; its logs stay."""
    local = free_ports(STATE)
    make("down", local)
    shutil.rmtree(STATE, ignore_errors=True)
    make("up", local)
    try:
        yield stack_of(local)
    finally:
        make("down", local)


def commit(faults: Mapping[int, Fault[R]], number: int, rig: R) -> Outcome:
    """Commit one fault and say what came out."""
    name, fault = faults[number]
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


def table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as a Markdown table."""
    lines = ["| # | fault | held | figures | seconds |", "|---|---|---|---|---|"]
    lines += [
        f"| {o.number} | {o.fault} | {'yes' if o.held else 'NO'} | {o.figures} | {o.seconds:.0f} |"
        for o in outcomes
    ]
    return "\n".join(lines) + "\n"


def conclude(name: str, outcomes: list[Outcome]) -> int:
    """Print the table, write it to `reports/`, and return 1 when something did not hold."""
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / f"{name}.md").write_text(table(outcomes))
    rows = [asdict(outcome) for outcome in outcomes]
    (REPORTS / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(table(outcomes), end="")
    return 0 if all(outcome.held for outcome in outcomes) else 1
