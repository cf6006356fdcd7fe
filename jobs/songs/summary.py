"""What a catalogue run says at its end."""

from collections import Counter
from collections.abc import Iterable

Account = tuple[str, str | None, int]
"""source_file, reason (None: kept), rows: one row of `decide.account`."""


def lines(accounts: Iterable[Account], kept_as: str) -> list[str]:
    """Return what became of the rows: a line per file and one per reason."""
    read: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for source_file, reason, rows in accounts:
        read[source_file] += rows
        if reason is None:
            kept[source_file] += rows
        else:
            reasons[reason] += rows
    files = [
        f"{file}: {n} rows, {kept[file]} {kept_as}, {n - kept[file]} rejected"
        for file, n in sorted(read.items())
    ]
    per_reason = [f"rejected as {reason}: {n}" for reason, n in sorted(reasons.items())]
    return [*files, *per_reason]
