"""Erase listeners: every row, document and file of theirs, then look again that nothing is left.

With --user, everything up to now goes, at once. With --pending, as the nightly maintenance has
it, the requests that wait are applied, and the recent ones again, for what came late. Every
step can be repeated; what was not found to be gone stays a request that waits.

Kafka is out of reach: it keeps its messages until their retention is over. They have been read,
and are not read again. Song factors, play counts and the table logs name no listener.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from jobs.contract.erasure import Erased, Erasure
from jobs.contract.errors import BadInput, NocturneError, NotErased
from jobs.contract.settings import Settings, load_settings
from jobs.erase_files import FileTraces, ServedTraces
from jobs.erase_lake import LakeTraces
from jobs.recount import recount
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.erasures import Erasures
from jobs.stores.lease import Lease, lake_writer

LATE_DAYS = 21
"""An event may arrive 14 days after it happened, and wait in Kafka for 7."""

Report = dict[str, dict[str, int]]
"""Place -> how much was `found` there, and how much is `left`."""


def erase(
    spark: SparkSession, settings: Settings, lease: Lease, erasures: Sequence[Erasure]
) -> Report:
    """Remove everything of the listeners; raises NotErased, with the place, if anything is left.

    The logs come first: whoever was erased before and has rows left there came back, and what
    serving knows of them is of their new plays.
    """
    logs, files = (
        LakeTraces(spark, settings, lease, erasures),
        FileTraces(settings, Erased(erasures)),
    )
    found = logs.found() | files.found()
    logs.remove()
    files.remove()
    returned = logs.returned()
    gone = [e for e in erasures if e.user_id is not None or e.id not in returned]
    served = ServedTraces(settings, Erased(gone))
    found |= served.found()
    served.remove()
    left = logs.found() | files.found() | served.found()
    report = {place: {"found": found[place], "left": left[place]} for place in found}
    print_report(report)
    if any(left.values()):
        places = ", ".join(place for place, rows in left.items() if rows)
        stuck = "".join(f"; rewrite or delete {key}" for key in files.left_to_the_source())
        raise NotErased(f"something is left in {places}{stuck}. The request stays: run it again")
    return report


def apply(settings: Settings, pending: Sequence[Erasure], recent: Sequence[Erasure]) -> Report:
    """Erase the listeners under the lease of the lake, and set the play counts right."""
    spark = spark_session(settings, "erase")
    try:
        with lake_writer(settings, "erase") as lease:
            lake.ensure_log_tables(spark, settings)
            report = erase(spark, settings, lease, [*pending, *recent])
            print(f"erase: {recount(spark, settings, datetime.now(UTC).date())}", flush=True)
    finally:
        spark.stop()
    return report


def print_report(report: Report) -> None:
    """Print what was found and what is left, by place."""
    print(f"{'place':24}{'found':>9}{'left':>9}")
    for place, rows in report.items():
        print(f"{place:24}{rows['found']:9}{rows['left']:9}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, when anything is left."""
    args = _arguments(argv)
    started = time.monotonic()
    try:
        settings = load_settings()
        with closing(Erasures(settings)) as erasures:
            pending, recent = _asked(erasures, None if args.pending else args.user)
            if not pending and not recent:
                print("erase: no request waits, and none is recent: nothing to do")
                return 0
            report = apply(settings, pending, recent)
            for erasure in pending:
                erasures.mark_applied(erasure, report)
        _conclude(report, len(pending), len(recent), time.monotonic() - started)
    except NocturneError as error:
        print(f"erase: {error}", file=sys.stderr)
        return 1
    return 0


def _asked(erasures: Erasures, user_id: str | None) -> tuple[list[Erasure], list[Erasure]]:
    if user_id is None:
        return erasures.pending(), erasures.recent(LATE_DAYS)
    if not user_id.strip():
        raise BadInput("whom? make erase USER_ID=<id>")
    return [erasures.request(user_id)], []


def _conclude(report: Report, applied: int, again: int, seconds: float) -> None:
    if not any(rows["found"] for rows in report.values()):
        print("erase: nothing was known of them: the id is unknown, or was erased before")
    print(f"erase: requests applied: {applied}, recent ones again: {again}, {seconds:.0f} s")
    print("erase: Kafka keeps its messages until their retention is over; they are not read again")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--user", metavar="ID", help="ask for this listener's erasure, and apply it")
    whom.add_argument("--pending", action="store_true", help="apply what waits, and recent ones")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
