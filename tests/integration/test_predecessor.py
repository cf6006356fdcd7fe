"""Which generation a night may start from, and each rule against it."""

from contextlib import closing
from datetime import date, timedelta

import pytest

from jobs.contract.generations import State
from jobs.predecessor import predecessor
from jobs.stores.documents import database
from jobs.stores.erasures import Erasures
from jobs.stores.generations import Generations
from jobs.stores.manifests import write_manifest
from jobs.train_als import parameters
from tests.manifests import manifest

AS_OF = date(2024, 3, 2)
LIVE, REFUSED = "g20240301T0200_000000c1", "g20240302T0200_000000c2"


@pytest.fixture
def settings(stack):
    """Settings of a lake and a database where LIVE, of the day before AS_OF, is live."""
    own = {"lake_bucket": "chaintest", "mongo_db": "nocturne_chain"}
    settings = stack.settings.model_copy(update=own)
    stack.ensure_lake(settings)
    db = database(settings)
    db.client.drop_database(db.name)
    yield settings
    db.client.drop_database(db.name)
    db.client.close()


def make_live(settings, **changes):
    day = AS_OF - timedelta(days=1)
    split = day - timedelta(days=settings.test_days)
    fields = {"as_of": day, "split": split, "engine": "exact", "params": parameters(settings)}
    found = manifest(LIVE, **fields | changes)
    write_manifest(settings, found)
    with closing(Generations(settings)) as generations:
        generations.record_trained(found)
        generations.switch(LIVE, generations.live())
    return found


def asked(settings, as_of=AS_OF):
    found, said = predecessor(settings, as_of, parameters(settings))
    return found and found.generation, said


def test_without_a_generation_it_starts_from_scratch(settings):
    assert asked(settings) == (None, "from scratch: there is no generation to start from")


def test_the_live_generation_is_started_from(settings):
    make_live(settings, chain=3)
    assert asked(settings) == (LIVE, f"from the factors of {LIVE}, night 4 of the chain")


@pytest.mark.parametrize(
    ("live", "now", "days", "said"),
    [
        ({}, {"rank": 7}, 0, "was trained with"),
        ({}, {"weighting": "binary"}, 0, "was trained with"),
        ({}, {"engine": "mllib"}, 0, "mllib always starts from scratch"),
        ({"split": None}, {}, 0, "has no factors without its last days"),
        ({"chain": 6}, {}, 0, "is night 7 of NOCTURNE_CHAIN_NIGHTS=7"),
        ({}, {"chain_nights": 1}, 0, "is night 1 of NOCTURNE_CHAIN_NIGHTS=1"),
        ({}, {}, -2, "knows days that are after 2024-02-29"),
        ({}, {}, 7, "is 8 days older"),
        ({}, {"test_days": 16}, 0, "knows days that the evaluation asks about"),
    ],
)
def test_each_rule_against_it(settings, live, now, days, said):
    make_live(settings, **live)
    found, why = asked(settings.model_copy(update=now), AS_OF + timedelta(days=days))
    assert found is None
    assert said in why


@pytest.mark.parametrize(("chain", "scratch"), [(1, True), (0, False)])
def test_what_the_gate_refused_ends_a_chain_that_it_came_from(settings, chain, scratch):
    make_live(settings)
    refused = manifest(REFUSED, chain=chain)
    with closing(Generations(settings)) as generations:
        generations.record_trained(
            refused.model_copy(update={"created_at": refused.created_at + timedelta(days=9999)})
        )
        generations.set_state(REFUSED, State.REJECTED)
    found, why = asked(settings)
    assert (found is None) == scratch
    assert ("the gate refused" in why) == scratch


def test_nobody_who_was_erased_lives_on_in_a_chain(settings):
    make_live(settings)
    with closing(Erasures(settings)) as erasures:
        erasures.mark_applied(erasures.request("someone"), {})
    found, why = asked(settings)
    assert found is None
    assert why == f"from scratch: a listener was erased since {LIVE} learned from them"
