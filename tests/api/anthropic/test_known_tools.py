"""Tools that Anthropic's models know: what another model is told of each."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from lingma_trio.api.anthropic.known_tools import KNOWN

EDITS = {"view", "create", "str_replace", "insert"}


@pytest.mark.parametrize(
    ("kind", "commands", "required", "text_of_insert"),
    [
        ("text_editor_20241022", EDITS | {"undo_edit"}, ["command", "path"], "new_str"),
        ("text_editor_20250124", EDITS | {"undo_edit"}, ["command", "path"], "new_str"),
        ("text_editor_20250429", EDITS, ["command", "path"], "new_str"),
        ("text_editor_20250728", EDITS, ["command", "path"], "insert_text"),
        ("memory_20250818", EDITS | {"delete", "rename"}, ["command"], "insert_text"),
    ],
)
def test_an_editor_takes_the_commands_that_its_client_runs(
    kind: str, commands: set[str], required: list[str], text_of_insert: str
) -> None:
    """Those of its release and no others, with the member that holds the text of an insertion."""
    schema = KNOWN[kind].schema
    assert set(schema["properties"]["command"]["enum"]) == commands
    assert schema["required"] == required
    for member in ("path", "file_text", "old_str", text_of_insert):
        assert schema["properties"][member]["type"] == "string"
    assert schema["properties"]["insert_line"]["type"] == "integer"
    valid = Draft202012Validator(schema).is_valid
    assert valid({"command": "view", "path": "/a", "view_range": [1, -1]})
    assert not valid({"command": "view", "path": "/a", "view_range": [1]})
    assert not valid({"command": "view", "path": "/a", "view_range": [1, 2, 3]})
    assert not valid({"command": "view", "path": "/a", "view_range": ["1", "2"]})
    assert not valid({"path": "/a"})


@pytest.mark.parametrize("kind", ["bash_20241022", "bash_20250124"])
def test_a_shell_takes_a_command_or_begins_anew(kind: str) -> None:
    """Either member may stand alone."""
    valid = Draft202012Validator(KNOWN[kind].schema).is_valid
    assert valid({"command": "ls"})
    assert valid({"restart": True})
    assert not valid({"command": 5})
    assert not valid({"restart": "yes"})


@pytest.mark.parametrize("kind", sorted(KNOWN))
def test_every_member_of_which_a_model_is_told_is_described_or_plain(kind: str) -> None:
    """The schema is one of JSON Schema's, an object's, and the tool itself is described."""
    Draft202012Validator.check_schema(KNOWN[kind].schema)
    assert KNOWN[kind].schema["type"] == "object"
    assert KNOWN[kind].description.endswith((".", "`."))
    members = KNOWN[kind].schema["properties"].values()
    assert all(set(member) <= {"type", "description", "enum", "items", "minItems", "maxItems"} for member in members)
