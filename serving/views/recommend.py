"""GET /recommend/home, POST /recommend/next and /recommend/session: songs to play."""

import hashlib
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from flask import Blueprint, Response, after_this_request, g, request
from pydantic import Field

from jobs.contract.names import GENERATION_HEADER
from jobs.stores.cache import Seen
from serving import metrics
from serving.intake import Id
from serving.recommend.climb import Answer, Wish
from serving.recommend.listener import Snapshot
from serving.recommend.sources import Away, Memory
from serving.services import listener, services, snapshot
from serving.views import shown
from serving.views.params import Body, Digits, Query, Share, body, query

MAX_BEFORE = 200
bp = Blueprint("recommend", __name__, url_prefix="/recommend")

Strategy = Literal["session_hybrid", "session_vector"]


class HomeQuery(Query):
    """How many songs, and the largest share of them that may have been heard before."""

    limit: Annotated[int, Field(ge=1, le=100), Digits] = 20
    familiar: Share | None = None


class NextRequest(Body):
    """What the player plays, has in its queue and has played before, the newest last."""

    current: Id | None = None
    queued: Annotated[tuple[Id, ...], Field(max_length=100)] = ()
    recent: Annotated[tuple[Id, ...], Field(max_length=MAX_BEFORE)] = ()
    n: Annotated[int, Field(ge=1, le=10)] = 5
    strategy: Strategy | None = None
    familiar: Annotated[float, Field(ge=0, le=1)] = 1.0


class SessionRequest(Body):
    """The songs of a session without an account, the newest last, and what waits behind them."""

    songs: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_BEFORE)]
    queued: Annotated[tuple[Id, ...], Field(max_length=100)] = ()
    n: Annotated[int, Field(ge=1, le=50)] = 10


@bp.get("/home")
def home() -> Response:
    """Return the listener's songs, best first, and the shelves of the home page."""
    user_id = listener()
    asked = query(HomeQuery)
    familiar = services().settings.familiar if asked.familiar is None else asked.familiar
    ready = _ready(Wish(user_id, asked.limit, now(), familiar=familiar), snapshot())
    etag = hashlib.blake2b(ready.encode(), digest_size=16).hexdigest()
    if request.if_none_match.contains(etag):
        response = Response(status=304)
    else:
        # The answer is kept without the id of the request that made it.
        whole = f'{{"request_id":"{g.request_id}",{ready[1:]}'
        response = Response(whole, content_type="application/json")
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@bp.post("/next")
def following() -> Response:
    """Return what fits behind the current song; `exhausted` when every song is excluded."""
    user_id = listener()
    asked = body(NextRequest)
    wish = Wish(
        user_id,
        asked.n,
        now(),
        asked.current,
        asked.recent,
        asked.queued,
        asked.familiar,
        asked.strategy,
    )
    return queue(wish)


@bp.post("/session")
def session() -> Response:
    """Return what fits behind the songs of a session that belongs to no account."""
    asked = body(SessionRequest)
    *before, current = asked.songs
    return queue(Wish(None, asked.n, now(), current, tuple(before), asked.queued))


def _seen(user_id: str, name: str) -> Seen | None:
    """Return what is kept of the listener, None while Redis is away."""
    try:
        return services().stores.cache.call(lambda cache: cache.seen(user_id, name))
    except Away:
        return None


def _ready(wish: Wish, live: Snapshot) -> str:
    """Return a home page as JSON, one that was kept if the listener did nothing since."""
    user_id, name = str(wish.user_id), f"{live.generation} {live.published_at}"
    name += f" {wish.limit} {wish.familiar}"
    seen = _seen(user_id, name)
    ready = seen.ready if seen and GENERATION_HEADER not in request.headers else None
    metrics.KEPT.labels(ready is not None).inc()
    if ready is not None:
        return ready
    made = _made(wish, live, Memory(seen.plays, seen.skips) if seen else None)
    whole = orjson.dumps(made).decode()
    if seen and not made["degraded"]:
        given, cache = (user_id, name, seen.state, whole), services().stores.cache

        def keep() -> None:
            with suppress(Away):
                cache.call(lambda redis: redis.set_home(*given))

        @after_this_request
        def later(response: Response) -> Response:
            response.call_on_close(keep)  # the listener need not wait for that
            return response

    return whole


def home_page(wish: Wish, live: Snapshot) -> dict[str, Any]:
    """Return what GET /recommend/home answers."""
    ready: dict[str, Any] = orjson.loads(_ready(wish, live))
    return {"request_id": g.request_id} | ready


def _made(wish: Wish, live: Snapshot, memory: Memory | None) -> dict[str, Any]:
    answer, shelves = services().ladder.home(wish, live, memory)
    picks = [found for shelf in shelves for found in shelf.picks] + answer.picks
    names = shown.named(picks, (shelf.seed for shelf in shelves))
    made = _shown(wish, answer, names)
    # The first shelf most often is the answer itself.
    made["shelves"] = [
        {
            "id": found.id,
            "title": shown.title(found, names),
            "songs": made["songs"]
            if found.picks is answer.picks
            else shown.listed(found.picks, names),
        }
        for found in shelves
    ]
    return made


def queue(wish: Wish) -> Response:
    """Return what fits behind the songs of a wish."""
    answer = services().ladder.answer(wish, snapshot())
    made = {"request_id": g.request_id} | _shown(wish, answer, shown.named(answer.picks))
    whole = orjson.dumps(made | {"exhausted": not answer.picks})
    response = Response(whole, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _shown(wish: Wish, answer: Answer, names: Any) -> dict[str, Any]:
    metrics.RECOMMENDED.labels(str(request.url_rule), answer.strategy).inc()
    for store in answer.degraded:
        metrics.DEGRADED.labels(store).inc()
    made = {
        "user_id": wish.user_id,
        "generation": answer.generation,
        "generated_at": datetime.fromtimestamp(wish.now_ms / 1000, UTC).isoformat(),
        "strategy": answer.strategy,
        "degraded": answer.degraded,
        "songs": shown.listed(answer.picks, names),
    }
    return made | ({"fallback": answer.fallback} if answer.fallback else {})


def now() -> int:
    """Return the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000
