"""What several views read from a request in the same way."""

from collections.abc import Mapping
from typing import Annotated, TypeVar

from flask import request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from serving.errors import invalid_request

Read = TypeVar("Read", bound=BaseModel)


class Query(BaseModel):
    """A query string: every parameter is known, and is given once."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(BaseModel):
    """A JSON body: every field is known and of its own type, numbers are no strings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _digits(text: object) -> object:
    # int() would also take "+5", " 5", "1_0" and digits of other scripts.
    if isinstance(text, str) and not (text.isascii() and text.isdigit() and len(text) < 9):
        raise ValueError("must be a whole number")
    return text


def _decimal(text: object) -> object:
    if isinstance(text, str) and not (text.isascii() and text.replace(".", "", 1).isdigit()):
        raise ValueError("must be a number like 0.5")
    return text


Digits = BeforeValidator(_digits)
"""Of a whole number in a query string."""

Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(_decimal)]
"""A number from 0 to 1 in a query string, without sign and exponent."""


def query(model: type[Read]) -> Read:
    """Return the query string as `model`; a problem 400 names each wrong parameter."""
    given = {
        name: values[0] if len(values) == 1 else values for name, values in request.args.lists()
    }
    return _valid(model, given)


def body(model: type[Read]) -> Read:
    """Return the JSON body as `model`; a problem 400, 413 or 415 else."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("the body must be JSON: Content-Type: application/json")
    data = request.get_data()
    if request.content_length is None and len(data) >= (request.max_content_length or 0):
        # Of a body in chunks the framework reads so much and says nothing of the rest.
        raise RequestEntityTooLarge
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        raise invalid_request(error) from None


def _valid(model: type[Read], given: Mapping[str, object]) -> Read:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise invalid_request(error) from None
