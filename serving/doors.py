"""Who asks: tokens, what they are good for, and which of them were revoked.

Programs send their token as a bearer token, the player has it in a cookie. A bearer token wins.
What a cookie's token writes must come from a page of ours: browsers send cookies by themselves.
"""

import threading
import time
from http import HTTPStatus

from flask import Flask, Response, g, request

from jobs.contract.settings import Settings
from jobs.contract.tokens import Claims, InvalidToken, Scope, read_token
from jobs.stores.revocations import Revoked
from serving.errors import Problem
from serving.held import Held
from serving.recommend.sources import Away
from serving.stores import Stores

REVOKED_SECONDS = 2.0
TOKENS_HELD, TOKEN_SECONDS = 10_000, 60.0
COOKIE = "nocturne_token"
INVALID = ', error="invalid_token"'
READING = ("GET", "HEAD", "OPTIONS")
NEEDED = "a token is needed: Authorization: Bearer <token>"


class Doors:
    """Reads tokens. Revocations are read every two seconds, and hold while MongoDB is away."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._reading = threading.Lock()
        self._revoked = Revoked()
        self._due = 0.0
        # A signature costs as much to verify as the rest of a request that is ready costs.
        self._read_once: Held[str, Claims] = Held(TOKENS_HELD, TOKEN_SECONDS)

    def claims(self) -> Claims | None:
        """Return what the request's token says, None without one.

        Nobody is who has a cookie whose token is good no more; a page then clears it. A problem
        401 for a bearer token that is not valid, 403 for a cookie's write from elsewhere.
        """
        g.depends_on_who = True
        if "claims" not in g:
            g.claims = self._read()
        claims: Claims | None = g.claims
        return claims

    def presented(self) -> Claims | None:
        """Return what the request's token says, None for whatever is not in order with it."""
        before = g.get("depends_on_who", False)
        try:
            return self.claims()
        except Problem:
            return None
        finally:
            g.depends_on_who = before

    def require(self, scope: Scope) -> Claims:
        """Return what the token says; a problem 401 without one, 403 if it lacks the scope."""
        claims = self.claims()
        if claims is None and "bad_cookie" in g:
            raise _unauthorized(g.bad_cookie, INVALID)
        if claims is None:
            raise _unauthorized(NEEDED, "")
        if scope not in claims.scopes:
            raise Problem(HTTPStatus.FORBIDDEN, f"this needs a token with the scope {scope!r}")
        return claims

    def read(self, token: str) -> Claims:
        """Return what a token says; raises InvalidToken, also where it was revoked."""
        claims = self._read_once.read([token], self._verified)[token]
        if claims.expires <= time.time():
            raise InvalidToken("the token is not valid: it has expired")
        if self._now().holds(claims):
            raise InvalidToken("the token was revoked")
        return claims

    def _verified(self, tokens: list[str]) -> dict[str, Claims]:
        return {token: read_token(self._settings, token) for token in tokens}

    def forget(self) -> None:
        """Read the revocations again with the next request."""
        self._due = 0.0

    def _read(self) -> Claims | None:
        given = request.headers.get("Authorization")
        if given is None:
            return self._read_cookie()
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorized(NEEDED, "")
        try:
            return self.read(token.strip())
        except InvalidToken as error:
            raise _unauthorized(str(error), INVALID) from None

    def _read_cookie(self) -> Claims | None:
        token = request.cookies.get(COOKIE)
        if token is None:
            return None
        try:
            claims = self.read(token)
        except InvalidToken as error:
            g.bad_cookie = str(error)
            return None
        if request.method not in READING and not from_own_page():
            raise Problem(HTTPStatus.FORBIDDEN, "this did not come from a page of this site")
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


def from_own_page() -> bool:
    """Return whether the browser says that a page of this very origin sends the request."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    _, _, host = request.headers.get("Origin", "").partition("://")
    return bool(host) and host.lower() == request.host.lower()


def from_elsewhere() -> bool:
    """Return whether the browser says that a page of another origin sends the request."""
    told = "Sec-Fetch-Site" in request.headers or "Origin" in request.headers
    return told and not from_own_page()


def set_cookie(response: Response, token: str, claims: Claims) -> None:
    """Sign the browser in for as long as the token lives."""
    left = max(1, int(claims.expires - time.time()))
    response.set_cookie(
        COOKIE, token, max_age=left, secure=request.is_secure, httponly=True, samesite="Lax"
    )


def clear_cookie(response: Response) -> None:
    """Sign the browser out."""
    response.delete_cookie(COOKIE, secure=request.is_secure, httponly=True, samesite="Lax")


def init_doors(app: Flask) -> None:
    """Let answers say that they depend on the cookie; pages clear one that is good no more."""
    app.after_request(_close)


def _close(response: Response) -> Response:
    if g.get("depends_on_who"):
        response.vary.add("Cookie")
        if "bad_cookie" in g and response.mimetype == "text/html":
            clear_cookie(response)
    return response


def _unauthorized(detail: str, challenge: str) -> Problem:
    header = f'Bearer realm="nocturne"{challenge}'
    return Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": header})
