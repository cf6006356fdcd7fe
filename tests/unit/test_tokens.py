"""A listener token speaks for one listener; everything else is refused."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from jobs.contract.errors import SettingsError
from jobs.contract.settings import Settings
from jobs.contract.tokens import (
    SCOPES,
    InvalidToken,
    listener_token,
    operator_token,
    read_token,
    service_key,
)

KEY = "k" * 32
SETTINGS = Settings(token_secret=KEY)


def forged(key=KEY, algorithm="HS256", **changes):
    claims = {
        "sub": "u1",
        "aud": "nocturne",
        "exp": datetime.now(UTC) + timedelta(hours=1),
    } | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm)


def test_speaks_for_its_listener():
    assert read_token(SETTINGS, listener_token(SETTINGS, "ü 1")).subject == "ü 1"
    assert read_token(SETTINGS, forged()).subject == "u1"


@pytest.mark.parametrize(
    "token",
    [
        forged(key="x" * 32),
        forged(key="", algorithm="none"),
        forged(key="k" * 64, algorithm="HS512"),
        forged(exp=datetime.now(UTC) - timedelta(minutes=1)),
        forged(aud="another"),
        forged(aud=None),
        forged(exp=None),
        forged(sub=None),
        forged(nbf=datetime.now(UTC) + timedelta(hours=1)),
        forged() + "x",
        forged().rsplit(".", 1)[0] + ".",
        "",
        "not a token",
        "\xff.\xff.\xff",
    ],
)
def test_refuses(token):
    with pytest.raises(InvalidToken):
        read_token(SETTINGS, token)


@pytest.mark.parametrize("secret", ["", "short"])
def test_needs_a_key(secret):
    with pytest.raises(SettingsError, match="NOCTURNE_TOKEN_SECRET"):
        listener_token(Settings(token_secret=secret), "u1")


def test_scopes_say_what_a_token_is_good_for():
    def scopes(token):
        return read_token(SETTINGS, token).scopes

    assert scopes(listener_token(SETTINGS, "u")) == scopes(forged()) == {"listen"}
    assert scopes(operator_token(SETTINGS, "u")) == {"listen", "generations"}
    assert scopes(service_key(SETTINGS, "grafana", ("metrics",), 30)) == {"metrics"}
    assert set(SCOPES) == {"listen", "generations", "metrics"}


def test_every_token_has_an_id_of_its_own():
    ids = {read_token(SETTINGS, listener_token(SETTINGS, "u")).token_id for _ in range(3)}
    assert len(ids) == 3
