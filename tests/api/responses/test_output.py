"""Output items: valid under the official client's types, and calls in their clients' own kinds."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import ResponseOutputItem
from pydantic import TypeAdapter

from lingma_trio.api.responses.output import call_item, message_item, reasoning_item, summary_part, text_part
from lingma_trio.api.responses.tools import Kind, Spelling
from lingma_trio.turns import ToolCall

ITEM: TypeAdapter[ResponseOutputItem] = TypeAdapter(ResponseOutputItem)


def call(kind: Kind, name: str, arguments: str, namespace: str = "") -> dict[str, Any]:
    """Return the item of a call, checked."""
    made = call_item("7", 2, ToolCall("c", "inner", arguments), {"inner": Spelling(kind, name, namespace)})
    ITEM.validate_python(made)
    assert (made["id"].endswith("_7_2"), made["call_id"]) == (True, "c")
    return made


def test_texts_are_items_that_the_client_knows() -> None:
    """Of which nothing has come, and complete."""
    for text, summary in ((b"", b""), (text_part(b'"a"'), summary_part(b'"a"'))):
        ITEM.validate_json(message_item("msg_1", text, "in_progress"))
        ITEM.validate_json(reasoning_item("rs_1", summary, "completed"))


def test_a_function_is_called_by_the_clients_name_for_it() -> None:
    """Its namespace stands in a field of its own."""
    made = call("function", "ask", '{"a":1}', "team")
    assert (made["type"], made["name"], made["namespace"], made["arguments"]) == (
        "function_call", "ask", "team", '{"a":1}'
    )  # fmt: skip
    assert "namespace" not in call("function", "ask", "{}")


@pytest.mark.parametrize(
    ("arguments", "text"), [('{"input":"a\\n"}', "a\n"), ('{"other":1}', '{"other":1}'), ("[1]", "[1]")]
)
def test_a_custom_tool_is_given_its_text(arguments: str, text: str) -> None:
    """Where the model gave it something else, it is given that."""
    made = call("custom", "patch", arguments)
    assert (made["type"], made["name"], made["input"]) == ("custom_tool_call", "patch", text)


def test_tools_that_the_client_runs_itself_have_kinds_of_their_own() -> None:
    """Their arguments are what is to be done."""
    assert call("local_shell", "local_shell", '{"command":["ls"]}')["action"] == {
        "type": "exec",
        "env": {},
        "command": ["ls"],
    }
    assert call("shell", "shell", '{"commands":["ls"]}')["action"] == {"commands": ["ls"]}
    made = call("apply_patch", "apply_patch", '{"type":"delete_file","path":"a"}')
    assert (made["type"], made["operation"]) == ("apply_patch_call", {"type": "delete_file", "path": "a"})


def test_a_clients_search_among_its_tools_is_called_as_one() -> None:
    """Its arguments are an object, and the client is the one to run it."""
    made = call("tool_search", "tool_search", '{"query":"look"}')
    assert (made["type"], made["execution"], made["arguments"]) == ("tool_search_call", "client", {"query": "look"})


def test_a_tool_that_was_not_declared_is_a_function() -> None:
    """The encoder invents nothing about it."""
    made = call_item("7", 0, ToolCall("c", "other", "{}"), {})
    assert (made["type"], made["name"]) == ("function_call", "other")
