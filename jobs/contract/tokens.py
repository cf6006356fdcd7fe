"""Signed tokens: of listeners, who are that listener and nobody else, and keys of services."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args
from uuid import uuid4

import jwt

from jobs.contract.errors import NocturneError, SettingsError
from jobs.contract.settings import Settings

AUDIENCE = "nocturne"
ALGORITHM = "HS256"
MIN_SECRET_BYTES = 32
OPERATOR_MINUTES = 5

Scope = Literal["listen", "generations", "metrics"]
"""What a token is good for: to be its subject as a listener, to ask for generations that are not
live, to read metrics."""

SCOPES: tuple[Scope, ...] = get_args(Scope)


class InvalidToken(NocturneError):
    """A token is forged, expired or not ours."""


@dataclass(frozen=True)
class Claims:
    """What a token says. `token_id` may be empty; times are epoch seconds."""

    subject: str
    token_id: str
    issued_at: float
    expires: float
    scopes: frozenset[str]


def signing_key(settings: Settings) -> str:
    """Return the key that signs tokens; raises SettingsError when it is missing or too short."""
    if len(settings.token_secret.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"NOCTURNE_TOKEN_SECRET must have at least {MIN_SECRET_BYTES} bytes; "
            "the local stack makes one (make env)"
        )
    return settings.token_secret


def listener_token(settings: Settings, user_id: str) -> str:
    """Return a signed token whose subject is `user_id`, valid for `token_hours`."""
    return _signed(settings, user_id, ("listen",), timedelta(hours=settings.token_hours))


def operator_token(settings: Settings, user_id: str) -> str:
    """Return a token of a few minutes that may ask, as this listener, for any generation."""
    scopes: tuple[Scope, ...] = ("listen", "generations")
    return _signed(settings, user_id, scopes, timedelta(minutes=OPERATOR_MINUTES))


def service_key(settings: Settings, name: str, scopes: Iterable[Scope], days: int) -> str:
    """Return a key for a program of an operator; it speaks for no listener."""
    return _signed(settings, name, scopes, timedelta(days=days))


def read_token(settings: Settings, token: str) -> Claims:
    """Return what a token says; raises InvalidToken.

    A token without scopes is a listener's.
    """
    try:
        claims = jwt.decode(
            token,
            signing_key(settings),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": ["sub", "exp", "aud"]},
        )
    except jwt.PyJWTError as error:
        raise InvalidToken(f"the token is not valid: {error}") from None
    return Claims(
        str(claims["sub"]),
        str(claims.get("jti", "")),
        float(claims.get("iat", 0)),
        float(claims["exp"]),
        frozenset(str(claims.get("scope", "listen")).split()),
    )


def _signed(settings: Settings, subject: str, scopes: Iterable[Scope], life: timedelta) -> str:
    now = datetime.now(UTC)
    claims = {
        "sub": subject,
        "aud": AUDIENCE,
        "scope": " ".join(scopes),
        "jti": uuid4().hex,
        "iat": now,
        "exp": now + life,
    }
    return jwt.encode(claims, signing_key(settings), algorithm=ALGORITHM)
