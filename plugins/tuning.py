"""What the DAG of the tuning asks the stores."""

from contextlib import closing

from jobs.contract.settings import load_settings


def has_candidate() -> bool:
    """Return whether a tuning found parameters that are better than those in use."""
    from jobs.stores.tuned import TunedParams

    with closing(TunedParams(load_settings())) as tuned:
        return tuned.candidate() is not None
