"""Alerts by mail: sent once with sentence and runbook, and never more trouble than help."""

import smtplib

import pytest

from jobs.contract.errors import SettingsError
from jobs.contract.settings import load_settings
from jobs.stores.alerts import send_mail
from tests.ears import mailbox


def test_a_mail_has_sentence_sender_and_everyone_it_is_for():
    with mailbox() as (server, lines):
        address = f"smtp://night:p%40ss@{server}?from=nocturne@example.org&to=a@b.org&to=c@d.org"
        send_mail(address, "Nocturne: train_als_failed", "no plays\n\ninfra/runbooks/train_als.md")
    assert "mail FROM:<nocturne@example.org>" in "\n".join(lines)
    assert [line for line in lines if line.startswith("rcpt")] == [
        "rcpt TO:<a@b.org>",
        "rcpt TO:<c@d.org>",
    ]
    assert any(line.startswith("AUTH PLAIN") for line in lines)
    assert {"Subject: Nocturne: train_als_failed", "no plays"} <= set(lines)


def test_a_server_that_is_away_is_an_error_for_the_caller_to_swallow():
    with pytest.raises((OSError, smtplib.SMTPException)):
        send_mail("smtp://127.0.0.1:1?from=a@b&to=c@d", "x", "y")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "smtp://localhost?from=a@b.org&to=c@d.org",
        "smtps://u:p@mail.org:465?from=a@b.org&to=c@d.org&to=e@f.org",
    ],
)
def test_addresses_that_can_be_used(monkeypatch, address):
    monkeypatch.setenv("NOCTURNE_ALERT_EMAIL", address)
    assert load_settings().alert_email == address


@pytest.mark.parametrize("address", ["c@d.org", "smtp://h?to=c@d.org", "http://h?from=a@b&to=c@d"])
def test_addresses_that_cannot(monkeypatch, address):
    monkeypatch.setenv("NOCTURNE_ALERT_EMAIL", address)
    with pytest.raises(SettingsError, match="NOCTURNE_ALERT_EMAIL"):
        load_settings()
