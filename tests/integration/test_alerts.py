"""An alert is told once, however many raise it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

from jobs.contract.names import ALERTS
from jobs.stores.alerts import Alerts

RAISERS = 4
ROUNDS = 10


def test_of_those_who_raise_it_at_once_one_tells(stack, db, webhook):
    name = "test_of_alerts"
    with ExitStack() as held, ThreadPoolExecutor(RAISERS) as pool:
        raisers = [held.enter_context(closing(Alerts(stack.settings))) for _ in range(RAISERS)]
        held.callback(db[ALERTS].delete_one, {"_id": name})
        webhook.told.clear()
        for told in range(1, ROUNDS + 1):
            list(pool.map(lambda alerts: alerts.raise_(name, "a test"), raisers))
            assert len(webhook.of(name)) == told
            raisers[0].clear(name)
        assert db[ALERTS].find_one({"_id": name})["count"] == RAISERS * ROUNDS
