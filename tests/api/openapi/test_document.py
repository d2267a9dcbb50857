"""The OpenAPI document is whole: what it refers to is there, and every object stands in it once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic_core import from_json, to_json

from lingma_trio.api.openapi.about import Error
from lingma_trio.api.openapi.document import Answer, Operation, build_document
from lingma_trio.api.openapi.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT: dict[str, Any] = build_document(OPERATIONS, title="a title", about="About it.", version="1.2.3")
SCHEMAS = DOCUMENT["components"]["schemas"]


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def described() -> Iterator[Any]:
    for methods in DOCUMENT["paths"].values():
        yield from methods.values()


def test_it_is_json() -> None:
    """The document is plain data that survives the way to a client."""
    assert from_json(to_json(DOCUMENT)) == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"] == {"title": "a title", "description": "About it.", "version": "1.2.3"}


def test_every_reference_leads_somewhere() -> None:
    """Each object that is referred to is there, and each that is there is referred to or is an event's."""
    used = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}
    events = {event.__name__ for operation in OPERATIONS for answer in operation.answers for event in answer.events}
    assert used <= set(SCHEMAS)
    assert set(SCHEMAS) <= used | events


def test_operations_can_be_told_apart() -> None:
    """No two operations have one method and path, or one id."""
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({operation["operationId"] for operation in described()}) == len(OPERATIONS)


def test_each_part_of_a_path_is_explained() -> None:
    """The names in a path's braces are its parameters."""
    for operation in OPERATIONS:
        named = {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
        assert named == set(operation.parameters)


def test_every_field_and_object_says_what_it_is() -> None:
    """There is a sentence about each object and each of its fields."""
    silent = [name for name, schema in SCHEMAS.items() if not schema.get("description")]
    silent += [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, about in schema.get("properties", {}).items()
        if not about.get("description")
    ]
    assert not silent


def test_each_status_has_its_body() -> None:
    """Faults come in the operation's envelope; a status that is also an answer's has the answer's body."""
    operation = Operation(
        "post",
        "/x/{y}",
        "Do it",
        room="Room",
        parameters={"y": "What for."},
        answers=(Answer(Error, status=503), Answer("text/plain")),
        error=Error,
        faults=(400, 503),
        asked=Error,
        keeper="nobody",
    )
    document = build_document([operation], title="t", about="a", version="1")
    shown = document["paths"]["/x/{y}"]["post"]
    reference = {"$ref": "#/components/schemas/Error"}
    assert list(shown["responses"]) == ["200", "400", "503"]
    assert shown["responses"]["200"]["content"] == {"text/plain": {"schema": {"type": "string"}}}
    assert shown["responses"]["400"]["content"]["application/json"]["schema"] == reference
    assert shown["requestBody"]["content"]["application/json"]["schema"] == reference
    assert shown["security"] == []
    assert shown["parameters"][0]["name"] == "y"


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if each.asked is not None])
def test_what_streams_says_so(operation: Operation) -> None:
    """A surface that streams has the media type of events, or of lines, beside JSON."""
    content = DOCUMENT["paths"][operation.path][operation.method]["responses"]["200"]["content"]
    streamed = set(content) - {"application/json"}
    assert streamed <= {"text/event-stream", "application/x-ndjson"}
    assert bool(streamed) is operation.streams
    if "text/event-stream" in streamed:
        assert content["text/event-stream"]["schema"]["required"] == ["data"]
        assert content["text/event-stream"]["schema"]["properties"] == {
            "event": {"type": "string"},
            "data": {"type": "string"},
        }
    elif streamed:
        assert len(content["application/x-ndjson"]["schema"]["anyOf"]) == 3
