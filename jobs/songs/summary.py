"""What a catalogue run says at its end."""

from collections import Counter
from collections.abc import Iterable

Account = tuple[str, str | None, int]
"""source_file, reason (None: kept), rows: one row of `decide.account`."""


def lines(accounts: Iterable[Account], kept_as: str, seconds: float) -> list[str]:
    """Return rows in, kept and rejected: a line per file, per reason, and in all."""
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
    total = f"rows in {read.total()} = {kept_as} {kept.total()} + rejected {reasons.total()}"
    return [*files, *per_reason, f"{total}, {seconds:.1f} s"]
