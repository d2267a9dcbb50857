"""Tools that run at the client and whose schemas Anthropic's clients leave out, since Anthropic's models know them.

Knows the schemas that Anthropic publishes; must not know a request.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class KnownTool(NamedTuple):
    """What a model has to be told of such a tool."""

    description: str
    schema: dict[str, Any]


_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
_RANGE: Final = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}

_BASH: Final = KnownTool(
    "Runs a command in a bash session that lasts: variables, files and the current directory stay. `restart` begins"
    " the session anew.",
    {
        "type": "object",
        "properties": {"command": {**_TEXT, "description": "What to run; needed unless restart is true."},
                       "restart": {"type": "boolean"}},
    },
)  # fmt: skip
_EDITS: Final = {
    "path": {**_TEXT, "description": "Of the file or the directory."},
    "file_text": {**_TEXT, "description": "With `create`: what the file is to hold."},
    "old_str": {**_TEXT, "description": "With `str_replace`: text that is in the file exactly once."},
    "new_str": {**_TEXT, "description": "With `str_replace`: what stands in its place, nothing to delete it."},
    "insert_line": {**_NUMBER, "description": "With `insert`: the line below which the text goes, 0 for the top."},
}


def _editor(*commands: str, inserted: str) -> KnownTool:
    properties = {
        "command": {"type": "string", "enum": list(commands)},
        **_EDITS,
        "view_range": {**_RANGE, "description": "With `view`: the first and the last line, -1 for the end."},
    }
    about = f"Shows and edits files. With `insert` the text is in `{inserted}`."
    properties.setdefault(inserted, _TEXT)
    return KnownTool(about, {"type": "object", "properties": properties, "required": ["command", "path"]})


_OLD_EDITOR: Final = _editor("view", "create", "str_replace", "insert", "undo_edit", inserted="new_str")
_MEMORY: Final = KnownTool(
    "Keeps notes in files below /memories that outlast this conversation. View the directory before a task, for what"
    " earlier work left there, and write down what later work will need.",
    {
        "type": "object",
        "properties": {
            "command": {"type": "string", "enum": ["view", "create", "str_replace", "insert", "delete", "rename"]},
            **_EDITS,
            "insert_text": {**_TEXT, "description": "With `insert`: the text."},
            "view_range": {**_RANGE, "description": "With `view`: the first and the last line."},
            "old_path": {**_TEXT, "description": "With `rename`: from where."},
            "new_path": {**_TEXT, "description": "With `rename`: to where."},
        },
        "required": ["command"],
    },
)

KNOWN: Final[dict[str, KnownTool]] = {
    "bash_20241022": _BASH,
    "bash_20250124": _BASH,
    "text_editor_20241022": _OLD_EDITOR,
    "text_editor_20250124": _OLD_EDITOR,
    "text_editor_20250429": _editor("view", "create", "str_replace", "insert", inserted="new_str"),
    "text_editor_20250728": _editor("view", "create", "str_replace", "insert", inserted="insert_text"),
    "memory_20250818": _MEMORY,
}
"""By the type that a client gives."""
