"""Which generations stay servable."""

from collections.abc import Sequence


def to_retire(servable: Sequence[str], live: str, keep: int) -> list[str]:
    """Return the generations beyond the `keep` that were live last; never the live one.

    `servable` is in the order of publication, the newest first.
    """
    kept = [live, *(g for g in servable if g != live)][:keep]
    return [g for g in servable if g not in kept]
