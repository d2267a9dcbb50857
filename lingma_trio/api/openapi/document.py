"""The OpenAPI document: the operations and the objects they name, as one JSON text.

Knows OpenAPI 3.1; must not know which operations there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

Keeper: TypeAlias = Literal["nobody", "key", "scraper"]
"""Who may ask: anybody, the bearer of an API key, or whoever collects metrics."""

JSON = "application/json"
HTML = "text/html"
METRICS_TEXT = "text/plain"
EVENTS = "text/event-stream"
LINES = "application/x-ndjson"
_REF = "#/components/schemas/{model}"
_SECURITY: Mapping[Keeper, list[dict[str, list[str]]]] = {
    "nobody": [],
    "key": [{"bearer": []}, {"x-api-key": []}],
    "scraper": [{"bearer": []}, {"x-api-key": []}],
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "One of API_KEYS."},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "One of API_KEYS."},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One way that an operation ends well: `body` is a described object, or the media type of what is none.

    `events` describes the objects that a stream's events hold, where the answer may be one; `lines` those that the
    lines of a stream are.
    """

    body: type[BaseModel] | str
    events: tuple[type[BaseModel], ...] = ()
    lines: tuple[type[BaseModel], ...] = ()
    status: int = 200


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `error` is the object that its faults come in, `faults` their statuses.

    `room` is the heading it stands under, `asked` describes the body it takes, of which `sample` is one, `parameters`
    the parts of its path, and `queries` what may stand in its query.
    """

    method: Literal["get", "post", "delete"]
    path: str
    summary: str
    _: KW_ONLY
    room: str
    answers: tuple[Answer, ...]
    error: type[BaseModel]
    faults: tuple[int, ...]
    asked: type[BaseModel] | None = None
    sample: Mapping[str, Any] | None = None
    keeper: Keeper = "key"
    parameters: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)

    @property
    def streams(self) -> bool:
        """Whether it can answer as it comes."""
        return any(answer.events or answer.lines for answer in self.answers)


def build_document(operations: Iterable[Operation], *, title: str, about: str, version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `operations` as JSON data; every object in it is defined once."""
    operations = tuple(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "description": about, "version": version},
        "paths": paths,
        "components": {"schemas": _schemas(operations), "securitySchemes": _SCHEMES},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{operation.method}_{operation.path.strip('/').translate(_IN_NAMES)}",
        "tags": [operation.room],
        "security": _SECURITY[operation.keeper],
        "responses": _responses(operation),
    }
    if parameters := [*_parameters("path", operation.parameters), *_parameters("query", operation.queries)]:
        described["parameters"] = parameters
    if operation.asked is not None:
        body: dict[str, Any] = {"schema": _reference(operation.asked)}
        if operation.sample is not None:
            body["example"] = dict(operation.sample)
        described["requestBody"] = {"required": True, "content": {JSON: body}}
    return described


def _parameters(place: Literal["path", "query"], named: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name, about in named.items():
        yield {
            "name": name,
            "in": place,
            "required": place == "path",
            "description": about,
            "schema": {"type": "string"},
        }


_IN_NAMES = str.maketrans("/.{}-", "_____")


_NAMES_OF_TODAY = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Of RFC 9110; Pythons before 3.13 have those of the one before."""


def _name(status: int) -> str:
    return _NAMES_OF_TODAY.get(status) or HTTPStatus(status).phrase


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for answer in operation.answers:
        responses[str(answer.status)] = {
            "description": _name(answer.status),
            "content": _content(answer),
        }
    for status in operation.faults:
        if str(status) not in responses:
            content = {JSON: {"schema": _reference(operation.error)}}
            responses[str(status)] = {"description": _name(status), "content": content}
    return dict(sorted(responses.items()))


def _content(answer: Answer) -> dict[str, Any]:
    if isinstance(answer.body, str):
        return {answer.body: {"schema": {"type": "string"}}}
    content: dict[str, Any] = {JSON: {"schema": _reference(answer.body)}}
    if answer.events:
        names = ", ".join(f"`{event.__name__}`" for event in answer.events)
        about = f"Where a stream was asked for: server-sent events, each with a text that is JSON of {names}."
        text = {"type": "string"}
        content[EVENTS] = {
            "schema": {
                "type": "object",  # one event, as OpenAPI before 3.2 has it for what comes in sequence
                "description": about,
                "properties": {"event": text, "data": text},
                "required": ["data"],
            }
        }
    if answer.lines:
        content[LINES] = {"schema": {"anyOf": [_reference(line) for line in answer.lines]}}  # of each line
    return content


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    models: dict[type[BaseModel], None] = {}
    for operation in operations:
        bodies = [answer.body for answer in operation.answers if not isinstance(answer.body, str)]
        events = [event for answer in operation.answers for event in (*answer.events, *answer.lines)]
        asked = [operation.asked] if operation.asked is not None else []
        models.update(dict.fromkeys([*asked, *bodies, *events, operation.error]))
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    schemas: dict[str, Any] = definitions["$defs"]
    return dict(sorted(schemas.items()))
