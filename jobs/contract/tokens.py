"""Listener tokens: whoever holds one is that listener, and nobody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from jobs.contract.errors import NocturneError, SettingsError
from jobs.contract.settings import Settings

AUDIENCE = "nocturne"
ALGORITHM = "HS256"
MIN_SECRET_BYTES = 32


OPERATOR = "operator"
OPERATOR_MINUTES = 5


class InvalidToken(NocturneError):
    """A listener token is forged, expired or not ours."""


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
    now = datetime.now(UTC)
    claims = {
        "sub": user_id,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + timedelta(hours=settings.token_hours),
    }
    return jwt.encode(claims, signing_key(settings), algorithm=ALGORITHM)


def operator_token(settings: Settings, user_id: str) -> str:
    """Return a token of a few minutes that may ask, as this listener, for any generation."""
    now = datetime.now(UTC)
    claims = {
        "sub": user_id,
        "aud": AUDIENCE,
        "role": OPERATOR,
        "iat": now,
        "exp": now + timedelta(minutes=OPERATOR_MINUTES),
    }
    return jwt.encode(claims, signing_key(settings), algorithm=ALGORITHM)


def listener_of(settings: Settings, token: str) -> str:
    """Return the listener that a token speaks for; raises InvalidToken."""
    return str(_claims(settings, token)["sub"])


def is_operator(settings: Settings, token: str) -> bool:
    """Return whether a token is an operator's; raises InvalidToken."""
    return _claims(settings, token).get("role") == OPERATOR


def _claims(settings: Settings, token: str) -> dict[str, Any]:
    try:
        claims = jwt.decode(
            token,
            signing_key(settings),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": ["sub", "exp", "aud"]},
        )
    except jwt.PyJWTError as error:
        raise InvalidToken(f"the listener token is not valid: {error}") from None
    return dict(claims)
