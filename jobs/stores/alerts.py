"""What a person must know about: one document per alert, and a webhook or mail for who wants it."""

import json
import smtplib
import ssl
import time
from email.message import EmailMessage
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3
from pymongo.errors import DuplicateKeyError
from urllib3.exceptions import HTTPError

from jobs.contract.names import ALERTS, runbook
from jobs.contract.settings import Settings
from jobs.stores.documents import Document, database

TELLING_SECONDS = 5.0

STREAM = runbook("stream_supervisor")


class Alerts:
    """Alerts by name: `said`, `raised_at`, `last_at` (epoch seconds), `count`, `open`."""

    def __init__(self, settings: Settings, timeout_ms: int = 5_000) -> None:
        self._alerts = database(settings, timeout_ms)[ALERTS]
        self._webhook = settings.alert_webhook
        self._email = settings.alert_email

    def raise_(self, name: str, said: str, runbook: str = STREAM) -> None:
        """Open the alert, or renew it; webhook and mail tell of it only when it opens."""
        now = time.time()
        news = {"said": said, "last_at": now, "runbook": runbook, "open": True}
        once_more = {"$inc": {"count": 1}}
        print(f"ALERT {name}: {said}; see {runbook}", flush=True)
        try:
            # Of several who raise it at once, one finds it closed.
            self._alerts.update_one(
                {"_id": name, "open": {"$ne": True}},
                {"$set": news | {"raised_at": now}} | once_more,
                upsert=True,
            )
        except DuplicateKeyError:
            self._alerts.update_one({"_id": name}, {"$set": news} | once_more)
        else:
            told = {"alert": name, "said": said, "runbook": runbook, "at": now}
            self._call(told)
            self._write(told)

    def clear(self, name: str) -> None:
        """Close the alert, if it is open; it stays on record."""
        self._alerts.update_one({"_id": name, "open": True}, {"$set": {"open": False}})

    def open(self) -> list[Document]:
        """Return the open alerts, the oldest first."""
        return sorted(self._alerts.find({"open": True}), key=lambda alert: alert["raised_at"])

    def ended(self, since: float) -> list[Document]:
        """Return the closed alerts that were raised at or after an epoch second, oldest first."""
        found = self._alerts.find({"open": False, "raised_at": {"$gte": since}})
        return sorted(found, key=lambda alert: alert["raised_at"])

    def all(self) -> list[Document]:
        """Return every alert that ever was, open or not."""
        return list(self._alerts.find())

    def close(self) -> None:
        """End the connections."""
        self._alerts.database.client.close()

    def _call(self, news: Document) -> None:
        if not self._webhook:
            return
        headers = {"Content-Type": "application/json"}
        try:
            urllib3.request(
                "POST",
                self._webhook,
                body=json.dumps(news),
                headers=headers,
                timeout=TELLING_SECONDS,
                retries=1,
            )
        except HTTPError as error:  # the alert stands in the store all the same
            print(f"alerts: the webhook did not take {news['alert']}: {error}", flush=True)

    def _write(self, news: Document) -> None:
        if not self._email:
            return
        try:
            send_mail(
                self._email, f"Nocturne: {news['alert']}", "{said}\n\n{runbook}\n".format(**news)
            )
        except (OSError, smtplib.SMTPException) as error:
            print(f"alerts: no mail of {news['alert']} could be sent: {error}", flush=True)


def send_mail(address: str, subject: str, text: str) -> None:
    """Send a mail over `smtp[s]://user:password@host:port?from=a@b&to=c@d`, encrypted if offered.

    Raises OSError or SMTPException where it was not taken.
    """
    parts = urlsplit(address)
    given = parse_qs(parts.query)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = given["from"][0], ", ".join(given["to"]), subject
    mail.set_content(text)
    host = parts.hostname or "localhost"
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=TELLING_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, parts.port or 587, timeout=TELLING_SECONDS)
    with server:
        server.ehlo()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(mail)
