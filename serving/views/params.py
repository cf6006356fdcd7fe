"""What several views read from a request in the same way."""

from http import HTTPStatus
from typing import TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from serving.errors import Problem, invalid_request

Body = TypeVar("Body", bound=BaseModel)


def limit(default: int, most: int) -> int:
    """Return the `limit` of the query, 1 to `most`; any other is a problem 400."""
    given = request.args.get("limit", str(default))
    # Digits alone: int() would also take "+5", " 5" and digits of other scripts.
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 9 else 0
    if not 1 <= number <= most:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "the request is not as it should be",
            [f"limit: must be a whole number from 1 to {most}"],
        )
    return number


def body(model: type[Body]) -> Body:
    """Return the JSON body as `model`; a problem 400, 413 or 415 else."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("the body must be JSON: Content-Type: application/json")
    try:
        return model.model_validate_json(request.get_data())
    except ValidationError as error:
        raise invalid_request(error) from None
