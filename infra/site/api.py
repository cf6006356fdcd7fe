"""The page of the HTTP API, made from the contract that the app serves at `GET /openapi.json`."""

import json
from collections.abc import Iterator
from typing import Any

from jobs.contract.events import EVENT
from serving.views.contract import contract

Schema = dict[str, Any]

HEAD = """# HTTP API

Made from the contract that the app serves at `GET /openapi.json` (OpenAPI 3.1), which is made from
the models that validate requests. Examples are on the
[first page](../README.md#asking-for-recommendations).
"""
LIMITS = {
    "minimum": "from {}",
    "maximum": "to {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "default": "default `{}`",
}


def page() -> str:
    """Return the page as Markdown: operations, then schemas, then the fields of an event."""
    described = json.loads(contract())
    lines = [HEAD]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            lines += _operation(f"{method.upper()} {path}", operation)
    lines.append("## Schemas\n")
    for name, schema in sorted(described["components"]["schemas"].items()):
        lines += _schema(name, schema)
    lines += ["## Fields of an event\n", "| field | type | |", "|---|---|---|"]
    for field in EVENT:
        may = " or null" if field.nullable else ""
        lines.append(f"| `{field.name}` | {field.type}{may} | {cell(field.about)} |")
    return "\n".join(lines) + "\n"


def kind(schema: Schema) -> str:
    """Return what a value is, in words, with a link to the schema that it follows."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(kind(one) for one in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind(schema['items']) or 'anything'}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {kind(schema['additionalProperties'])}"
    return str(schema.get("format", schema.get("type", "")))


def limits(schema: Schema) -> str:
    """Return the bounds of a value and what it is by default, in words."""
    parts = [schema, *schema.get("anyOf", ())]
    said = [
        words.format(shown_value(part[key]))
        for part in parts
        for key, words in LIMITS.items()
        if part.get(key) is not None
    ]
    return "; ".join(said)


def _operation(title: str, operation: Schema) -> Iterator[str]:
    token = "Needs a listener token." if operation.get("security") else "Open to anyone."
    yield f"## {title}\n\n{operation['summary']}. {token}\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | type | |\n|---|---|---|---|"
        for given in parameters:
            about = "; ".join(filter(None, [given.get("description"), limits(given["schema"])]))
            what = kind(given["schema"])
            yield f"| `{given['name']}` | {given['in']} | {what} | {cell(about)} |"
        yield ""
    if body := operation.get("requestBody"):
        for content_type, content in body["content"].items():
            yield f"Body: {kind(content['schema'])} (`{content_type}`)\n"
    yield "| answer | | body |\n|---|---|---|"
    for status, answer in operation["responses"].items():
        bodies = [
            kind(content.get("schema", {})) or f"`{content_type}`"
            for content_type, content in answer.get("content", {}).items()
        ]
        yield f"| {status} | {cell(answer['description'])} | {', '.join(bodies)} |"
    yield ""


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n\n{schema.get('description', '')}\n"
    if not schema.get("properties"):
        return
    yield "| field | type | |\n|---|---|---|"
    for field, value in schema["properties"].items():
        optional = "" if field in schema.get("required", ()) else "optional"
        about = "; ".join(filter(None, [optional, value.get("description"), limits(value)]))
        yield f"| `{field}` | {kind(value)} | {cell(about)} |"
    yield ""


def shown_value(value: Any) -> str:
    """Return a value as JSON has it, a number without a needless point."""
    return f"{value:g}" if isinstance(value, float) else json.dumps(value).strip('"')


def cell(text: str) -> str:
    """Return the text so that a cell of a table can hold it."""
    return " ".join(text.replace("|", "\\|").split())
