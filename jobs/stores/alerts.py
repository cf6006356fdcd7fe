"""What a person must know about: one document per alert, and a webhook for those who want one."""

import json
import time

import urllib3
from pymongo import ReturnDocument
from urllib3.exceptions import HTTPError

from jobs.contract.names import ALERTS
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database

WEBHOOK_SECONDS = 5.0
RUNBOOK = "infra/runbooks/stream_supervisor.md"


class Alerts:
    """Alerts by name: `said`, `raised_at`, `last_at` (epoch seconds), `count`, `open`."""

    def __init__(self, settings: Settings, timeout_ms: int = 5_000) -> None:
        self._alerts = database(settings, timeout_ms)[ALERTS]
        self._webhook = settings.alert_webhook

    def raise_(self, name: str, said: str, runbook: str = RUNBOOK) -> None:
        """Open the alert, or renew it; the webhook is told only when it opens."""
        now = time.time()
        news = {"said": said, "last_at": now, "runbook": runbook, "open": True}
        before = self._alerts.find_one_and_update(
            {"_id": name},
            {"$set": news, "$inc": {"count": 1}, "$setOnInsert": {"raised_at": now}},
            upsert=True,
            return_document=ReturnDocument.BEFORE,
        )
        print(f"ALERT {name}: {said}; see {runbook}", flush=True)
        if before is None or not before["open"]:
            self._alerts.update_one({"_id": name}, {"$set": {"raised_at": now}})
            self._tell({"alert": name, "said": said, "runbook": runbook, "at": now})

    def clear(self, name: str) -> None:
        """Close the alert, if it is open; it stays on record."""
        self._alerts.update_one({"_id": name, "open": True}, {"$set": {"open": False}})

    def open(self) -> list[Document]:
        """Return the open alerts, the oldest first."""
        return sorted(self._alerts.find({"open": True}), key=lambda alert: alert["raised_at"])

    def close(self) -> None:
        """End the connections."""
        self._alerts.database.client.close()

    def _tell(self, news: Document) -> None:
        if not self._webhook:
            return
        headers = {"Content-Type": "application/json"}
        try:
            urllib3.request(
                "POST",
                self._webhook,
                body=json.dumps(news),
                headers=headers,
                timeout=WEBHOOK_SECONDS,
                retries=1,
            )
        except HTTPError as error:  # the alert stands in the store all the same
            print(f"alerts: the webhook did not take {news['alert']}: {error}", flush=True)
