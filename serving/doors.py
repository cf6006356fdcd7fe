"""Who asks: tokens, what they are good for, and which of them were revoked."""

import threading
import time
from http import HTTPStatus

from flask import g, request

from jobs.contract.settings import Settings
from jobs.contract.tokens import Claims, InvalidToken, Scope, read_token
from jobs.stores.revocations import Revoked
from serving.errors import Problem
from serving.recommend.sources import Away
from serving.stores import Stores

REVOKED_SECONDS = 2.0


class Doors:
    """Reads tokens. Revocations are read every two seconds, and hold while MongoDB is away."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._reading = threading.Lock()
        self._revoked = Revoked()
        self._due = 0.0

    def claims(self) -> Claims | None:
        """Return what the request's bearer token says, None without one; a problem 401 else."""
        if "claims" not in g:
            g.claims = self._read()
        claims: Claims | None = g.claims
        return claims

    def require(self, scope: Scope) -> Claims:
        """Return what the token says; a problem 401 without one, 403 if it lacks the scope."""
        claims = self.claims()
        if claims is None:
            raise _unauthorized("a token is needed: Authorization: Bearer <token>", "")
        if scope not in claims.scopes:
            raise Problem(HTTPStatus.FORBIDDEN, f"this needs a token with the scope {scope!r}")
        return claims

    def forget(self) -> None:
        """Read the revocations again with the next request."""
        self._due = 0.0

    def _read(self) -> Claims | None:
        given = request.headers.get("Authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorized("a token is needed: Authorization: Bearer <token>", "")
        try:
            claims = read_token(self._settings, token.strip())
        except InvalidToken as error:
            raise _unauthorized(str(error), ', error="invalid_token"') from None
        if self._now().holds(claims):
            raise _unauthorized("the token was revoked", ', error="invalid_token"')
        return claims

    def _now(self) -> Revoked:
        if time.monotonic() >= self._due and self._reading.acquire(blocking=False):
            try:
                self._due = time.monotonic() + REVOKED_SECONDS
                self._revoked = self._stores.mongo.call(lambda mongo: mongo.revocations.read())
            except Away:
                pass  # what was read last holds
            finally:
                self._reading.release()
        return self._revoked


def _unauthorized(detail: str, challenge: str) -> Problem:
    header = f'Bearer realm="nocturne"{challenge}'
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": header})
