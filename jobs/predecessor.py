"""The generation that a training may start from, or why it starts from scratch."""

from contextlib import closing
from datetime import date, timedelta

from jobs.contract import names
from jobs.contract.generations import Manifest, State
from jobs.contract.settings import Settings
from jobs.stores import parts
from jobs.stores.documents import Document
from jobs.stores.erasures import Erasures
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest
from jobs.training.night import Start


def predecessor(
    settings: Settings, as_of: date, params: dict[str, float | int | str]
) -> tuple[Manifest | None, str]:
    """Return what to start from, or None, with a sentence for the log.

    It is the newest generation that can serve, if the same parameters made it, on days that are
    not after `as_of`, and no rule asks for a start from scratch. So a rollback also takes back
    what the nights since then had learned.
    """
    if settings.engine != "exact":
        return None, "the engine mllib always starts from scratch"
    with closing(Generations(settings)) as generations:
        servable, newest = generations.servable(), generations.all(1)
    if not servable:
        return None, "from scratch: there is no generation to start from"
    found = read_manifest(settings, servable[0])
    why = _against(settings, found, as_of, params) or _refused(newest)
    if why is None and _erased_since(settings, found):
        why = f"a listener was erased since {found.generation} learned from them"
    if why:
        return None, f"from scratch: {why}"
    return found, f"from the factors of {found.generation}, night {found.chain + 1} of the chain"


def _against(
    settings: Settings, found: Manifest, as_of: date, params: dict[str, float | int | str]
) -> str | None:
    name, nights, days = found.generation, settings.chain_nights, (as_of - found.as_of).days
    if days < 0:
        return f"{name} knows days that are after {as_of}"
    if found.split is None:
        return f"{name} has no factors without its last days"
    if found.split > as_of - timedelta(days=settings.test_days):
        return f"{name} knows days that the evaluation asks about"
    if found.params != params:
        return f"{name} was trained with {found.params}"
    if days > nights:
        return f"{name} is {days} days older"
    if found.chain + 1 >= nights:
        return f"{name} is night {found.chain + 1} of NOCTURNE_CHAIN_NIGHTS={nights}"
    return None


def _refused(newest: list[Document]) -> str | None:
    for document in newest:
        if document["state"] == State.REJECTED and document.get("chain"):
            return f"the gate refused {document['_id']}, which had not started from scratch"
    return None


def _erased_since(settings: Settings, found: Manifest) -> bool:
    with closing(Erasures(settings)) as erasures:
        return bool(erasures.applied_since(found.created_at))


def read_start(settings: Settings, found: Manifest) -> Start:
    """Return the vectors of a generation; raises BadInput where they are gone."""
    paths = names.item_factors_path, names.split_factors_path
    return Start(*(parts.factors(settings, path(found.generation)) for path in paths))
