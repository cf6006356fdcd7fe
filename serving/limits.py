"""How often one may ask: per token, or per address without one; counted in Redis."""

import time
from typing import Any

from flask import Flask, Response, request
from flask_limiter import Limiter

from jobs.contract.settings import Settings
from serving.errors import Problem
from serving.services import services


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
        storage_uri=settings.redis_url,
        storage_options=waits,
        in_memory_fallback_enabled=True,
        swallow_errors=True,
        key_prefix="nocturne",
    )
    for view in ("health.livez", "health.readyz", "health.exposed"):
        limiter.exempt(app.view_functions[view])

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
    try:
        claims = services().doors.claims()
    except Problem:
        claims = None
    return f"token {claims.subject}" if claims else f"address {request.remote_addr}"
