"""How often one may ask: per token, or per address without one; counted in Redis."""

import threading
import time
from typing import Any

from cachetools import LRUCache
from flask import Flask, Response, request
from flask_limiter import Limiter
from limits.storage import RedisStorage

from jobs.contract.settings import Settings
from serving.services import services

OWN = "nocturne+"
WINDOWS_HELD = 10_000
COVER_VIEW = "media.cover"
COVERS_FACTOR = 10


class OneTripStorage(RedisStorage):
    """Answers what is left, and until when, from what the count of the same request returned.

    The library asks Redis for both again with every request, which costs as much as the rest of
    a home page that is ready.
    """

    STORAGE_SCHEME = [f"{OWN}redis", f"{OWN}rediss"]  # noqa: RUF012  as in the base class

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri.removeprefix(OWN), **options)
        self._counted = threading.local()
        self._ends: LRUCache[str, float] = LRUCache(WINDOWS_HELD)
        self._lock = threading.Lock()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a request; return how many there are in its window."""
        count = super().incr(key, expiry, amount)
        self._counted.last = (key, count)
        if count <= amount:
            self._hold(key, time.time() + expiry)
        return count

    def get(self, key: str) -> int:
        """Return the count of a window."""
        last, count = getattr(self._counted, "last", ("", 0))
        return count if last == key else super().get(key)

    def get_expiry(self, key: str) -> float:
        """Return when a window ends (epoch s)."""
        with self._lock:
            end = self._ends.get(key, 0.0)
        return end if end > time.time() else self._hold(key, super().get_expiry(key))

    def _hold(self, key: str, end: float) -> float:
        with self._lock:
            self._ends[key] = end
        return end


def init_limits(app: Flask, settings: Settings) -> None:
    """Count requests against the settings' limits; while Redis is away, in the worker's memory.

    Every answer that was counted says how many are left, in the RateLimit headers of the IETF's
    draft; too many are a problem 429 with Retry-After.
    """
    if not settings.rate_limit:
        return
    seconds = settings.store_timeout_ms / 1000
    waits: dict[str, Any] = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    limiter = Limiter(
        _who,
        app=app,
        default_limits=[settings.rate_limit],
        storage_uri=OWN + settings.redis_url,
        storage_options=waits,
        in_memory_fallback_enabled=True,
        swallow_errors=True,
        key_prefix="nocturne",
    )
    for view in ("health.livez", "health.readyz", "health.exposed"):
        limiter.exempt(app.view_functions[view])
    # One page shows dozens of covers, which must not use up what its listener may ask for.
    most, window = settings.rate_limit.split("/")
    of_covers: Any = limiter.limit(f"{COVERS_FACTOR * int(most)}/{window}")
    app.view_functions[COVER_VIEW] = of_covers(app.view_functions[COVER_VIEW])

    def tell(response: Response) -> Response:
        limit = limiter.current_limit
        if limit is not None:
            left = max(0, int(limit.reset_at - time.time()))
            rate = limit.limit
            response.headers["RateLimit-Policy"] = f'"all";q={rate.amount};w={rate.get_expiry()}'
            response.headers["RateLimit"] = f'"all";r={max(0, limit.remaining)};t={left}'
            if response.status_code == 429:
                response.headers["Retry-After"] = str(max(1, left))
        return response

    app.after_request(tell)


def _who() -> str:
    # A token that is not valid has no bucket of its own: who guesses is counted by address.
    claims = services().doors.presented()
    return f"token {claims.subject}" if claims else f"address {request.remote_addr}"
