"""Which generations stay servable."""

from collections.abc import Sequence


def to_retire(servable: Sequence[str], live: str, keep: int) -> list[str]:
    """Return the generations beyond the `keep` that were live last; never the live one.

    `servable` is in the order of publication, the newest first.

    Examples:
        >>> to_retire(["g4", "g3", "g2", "g1"], live="g4", keep=3)
        ['g1']

        After a rollback the live one stays, though others are newer:

        >>> to_retire(["g4", "g3", "g2", "g1"], live="g1", keep=3)
        ['g2']
    """
    kept = [live, *(g for g in servable if g != live)][:keep]
    return [g for g in servable if g not in kept]
