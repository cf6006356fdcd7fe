"""GET /recommend/home and POST /recommend/next: songs for the token's listener."""

from typing import Annotated, Any

from flask import Blueprint, Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from serving.intake import Id
from serving.recommend.ladder import Answer, Wish
from serving.services import listener, services, snapshot
from serving.views.params import body, limit

DEFAULT_HOME = 20
MAX_HOME = 100
bp = Blueprint("recommend", __name__, url_prefix="/recommend")


class NextRequest(BaseModel):
    """What the player plays, has in its queue and has just played."""

    model_config = ConfigDict(extra="forbid", strict=True)

    current: Id | None = None
    queued: Annotated[list[Id], Field(max_length=100)] = []
    recent: Annotated[list[Id], Field(max_length=50)] = []
    n: Annotated[int, Field(ge=1, le=10)] = 5


@bp.get("/home")
def home() -> Response:
    """Return the listener's songs, best first."""
    user_id = listener()
    wish = Wish(user_id, limit(DEFAULT_HOME, MAX_HOME))
    response = jsonify(_shown(user_id, _answer(wish)))
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@bp.post("/next")
def following() -> Response:
    """Return what fits behind the current song; `exhausted` when every song is excluded."""
    user_id = listener()
    asked = body(NextRequest)
    unwanted = {*asked.queued, *asked.recent, *filter(None, [asked.current])}
    answer = _answer(Wish(user_id, asked.n, asked.current, frozenset(unwanted)))
    response = jsonify(_shown(user_id, answer) | {"exhausted": not answer.picks})
    response.headers["Cache-Control"] = "no-store"
    return response


def _answer(wish: Wish) -> Answer:
    return services().ladder.answer(wish, snapshot())


def _shown(user_id: str, answer: Answer) -> dict[str, Any]:
    songs = [
        {"rank": rank, "score": pick.score, **pick.song}
        for rank, pick in enumerate(answer.picks, start=1)
    ]
    shown = {
        "request_id": g.request_id,
        "user_id": user_id,
        "generation": answer.generation,
        "strategy": answer.strategy,
        "degraded": answer.degraded,
        "songs": songs,
    }
    return shown | ({"fallback": answer.fallback} if answer.fallback else {})
