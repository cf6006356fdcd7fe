"""Whether a generation may be made live."""

from jobs.contract.generations import State

REASONS = {
    State.TRAINED: "it is trained but has not passed the gate: run evaluate and gate",
    State.GATED: "it passed the gate but is not indexed: run build_index",
    State.REJECTED: "the gate rejected it",
}


def why_not(state: State, gone: bool) -> str | None:
    """Return why a generation in this state may not be live, or None if it may.

    `gone` says that its vectors were removed; a retired generation that still has them may be
    live again, which is a rollback.

    Examples:
        >>> why_not(State.GATED, gone=False)
        'it passed the gate but is not indexed: run build_index'
        >>> why_not(State.RETIRED, gone=False) is None
        True
    """
    if state in REASONS:
        return REASONS[state]
    return "its vectors were removed: run build_index" if gone else None
