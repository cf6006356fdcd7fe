"""Which tokens are revoked."""

from jobs.contract.erasure import listener_hash
from jobs.contract.tokens import Claims
from jobs.stores.revocations import Revoked


def claims(subject="u", token_id="t1", issued_at=100.0):
    return Claims(subject, token_id, issued_at, 1e9, frozenset({"listen"}))


def test_one_token_or_all_that_a_subject_had():
    revoked = Revoked(frozenset({"t1"}), {listener_hash("ann"): 100.0})
    assert revoked.holds(claims())
    assert not revoked.holds(claims(token_id="t2"))
    assert revoked.holds(claims("ann", "t3", 99.0))
    assert revoked.holds(claims("ann", "t3", 100.0))
    assert not revoked.holds(claims("ann", "t4", 101.0))
