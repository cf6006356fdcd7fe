"""GET /openapi.json: the API as OpenAPI 3.1, from the models that requests are validated with."""

from functools import cache
from typing import Any

from flask import Blueprint, Response
from openapi_pydantic import OpenAPI
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from jobs.contract.events import MAX_ID_LENGTH
from jobs.contract.names import GENERATION_HEADER
from jobs.stores.media import IMAGES
from serving import answers
from serving.views.client_errors import ClientError
from serving.views.events import EventBatch
from serving.views.feedback import FeedbackRequest
from serving.views.media import CoverQuery
from serving.views.recommend import HomeQuery, NextRequest, SessionRequest
from serving.views.songs import SearchQuery, SimilarQuery, SongsQuery

bp = Blueprint("contract", __name__)

SONG = {
    "name": "track_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH},
}
ANY_SONG = SONG | {"schema": {"type": "string"}}
GENERATION = {
    "name": GENERATION_HEADER,
    "in": "header",
    "description": "A generation that need not be live; needs a token with that scope.",
    "schema": {"type": "string"},
}
PROBLEMS = {
    400: "A field is not as it should be; `errors` names it.",
    401: "No token, or one that is not valid.",
    403: "The token lacks a scope.",
    404: "There is no such thing.",
    409: "This cannot be done to this thing.",
    413: "The body is too long.",
    415: "The body is not JSON.",
    429: "Too many requests: see Retry-After.",
    503: "A store that alone could answer is away: see Retry-After.",
}


def operation(
    summary: str,
    answer: type[BaseModel] | tuple[str, ...],
    status: int = 200,
    *,
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    token: bool = True,
    parameters: tuple[dict[str, Any], ...] = (),
    problems: tuple[int, ...] = (),
) -> dict[str, Any]:
    """Return an operation of the contract."""
    expected = {429, *problems}
    expected |= {400} if query or body else set()
    expected |= {413, 415} if body else set()
    expected |= {401, 403} if token else set()
    made: dict[str, Any] = {
        "summary": summary,
        "parameters": [*parameters, *(_parameters(query) if query else ())],
        "responses": {str(status): _response(summary, answer)}
        | {str(code): _problem(PROBLEMS[code]) for code in sorted(expected)},
    }
    if body:
        content: dict[str, Any] = {
            "application/json": {"schema": PydanticSchema(schema_class=body)}
        }
        made["requestBody"] = {"required": True, "content": content}
    if token:
        made["security"] = [{"token": []}]
    return made


@cache
def contract() -> str:
    """Return the contract as JSON."""
    listened = (503,)
    paths = {
        "/songs": {
            "get": operation(
                "A page of the catalogue, by id",
                answers.SongsPage,
                query=SongsQuery,
                token=False,
                problems=listened,
            )
        },
        "/songs/{track_id}": {
            "get": operation(
                "A song", answers.Song, token=False, parameters=(SONG,), problems=(404, 503)
            )
        },
        "/songs/{track_id}/similar": {
            "get": operation(
                "Songs that go with one",
                answers.Queue,
                query=SimilarQuery,
                token=False,
                parameters=(SONG,),
                problems=(404, 503),
            )
        },
        "/songs/{track_id}/stream": {
            "get": operation(
                "Where a song's audio is, for a while: an address of the object store",
                (),
                307,
                token=False,
                parameters=(SONG,),
                problems=(404, 503),
            )
        },
        "/songs/{track_id}/cover": {
            "get": operation(
                "A song's cover, a drawn one where there is no other",
                tuple(sorted(IMAGES)),
                query=CoverQuery,
                token=False,
                parameters=(ANY_SONG,),
            )
        },
        "/songs/{track_id}/feedback": {
            "put": operation(
                "Love or ban a song or its artist",
                answers.Choices,
                body=FeedbackRequest,
                parameters=(SONG,),
                problems=(404, 409, 503),
            )
        },
        "/feedback": {
            "get": operation("The listener's choices", answers.Choices, problems=listened)
        },
        "/search": {
            "get": operation(
                "Songs with every word in title or artist",
                answers.Found,
                query=SearchQuery,
                token=False,
                problems=listened,
            )
        },
        "/recommend/home": {
            "get": operation(
                "The listener's home page",
                answers.Home,
                query=HomeQuery,
                parameters=(GENERATION,),
                problems=(404, 503),
            )
        },
        "/recommend/next": {
            "post": operation(
                "What fits behind the current song",
                answers.Queue,
                body=NextRequest,
                parameters=(GENERATION,),
                problems=(404, 503),
            )
        },
        "/recommend/session": {
            "post": operation(
                "What fits behind the songs of a session without an account",
                answers.Queue,
                body=SessionRequest,
                token=False,
                problems=listened,
            )
        },
        "/events": {
            "post": operation(
                "Listening events of the token's listener",
                answers.EventResults,
                202,
                body=EventBatch,
                problems=listened,
            )
        },
        "/client-errors": {
            "post": operation("What went wrong in a player", (), 204, body=ClientError, token=False)
        },
        "/me": {"get": operation("Who the token speaks for", answers.Me)},
        "/me/export": {
            "get": operation(
                "All that serving keeps of the listener", answers.Export, problems=listened
            )
        },
        "/me/erase": {
            "post": operation(
                "Have everything of the listener erased tonight, and sign out",
                answers.Erasing,
                202,
                problems=listened,
            )
        },
        "/token": {"delete": operation("Sign out", (), 204, problems=(409, 503))},
        "/livez": {"get": operation("The process runs", answers.Alive, token=False)},
        "/readyz": {"get": _readyz()},
        "/metrics": {"get": operation("Metrics for Prometheus", ("text/plain",))},
    }
    described = OpenAPI.model_validate(
        {
            "openapi": "3.1.0",
            "info": {"title": "Nocturne", "version": "1", "summary": "Songs to play next."},
            "paths": paths,
            "components": {
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "bearerFormat": "JWT",
                        "description": "Browsers may have it in the cookie nocturne_token; what "
                        "they write must then come from a page of the same origin.",
                    }
                }
            },
        }
    )
    whole = construct_open_api_with_schema_class(described)
    return whole.model_dump_json(by_alias=True, exclude_none=True)


@bp.get("/openapi.json")
def openapi() -> Response:
    """Return the contract."""
    return Response(contract(), content_type="application/json")


def _readyz() -> dict[str, Any]:
    made = operation("What is away", answers.Ready, token=False)
    made["responses"]["503"] = _response("No song can be served", answers.Ready)
    return made


def _parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    schema = query.model_json_schema()
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _response(description: str, answer: type[BaseModel] | tuple[str, ...]) -> dict[str, Any]:
    """Return a response of JSON, or of one of some media types; without any it has no body."""
    if isinstance(answer, tuple):
        content: dict[str, Any] = {kind: {"schema": {"type": "string"}} for kind in answer}
    else:
        content = {"application/json": {"schema": PydanticSchema(schema_class=answer)}}
    return (
        {"description": description, "content": content}
        if content
        else {"description": description}
    )


def _problem(description: str) -> dict[str, Any]:
    schema: Any = PydanticSchema(schema_class=answers.Problem)
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}
