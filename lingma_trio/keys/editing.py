"""Puts an entry into the text of KEYS_FILE, or takes one out, and leaves the rest of the text as it is.

A YAML text is edited by its lines, so that comments and order stay. What comes out is read again, and an edit that did
anything but what was asked for is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

from lingma_trio.keys.document import Form, KeysFault, load
from lingma_trio.keys.yaml_text import compose

_BY_HAND = "the file is written in a way that only its author can edit; do it by hand"


def with_entry(text: str, entry: dict[str, Any], form: Form) -> str:
    """The text with one more entry at its end. Raises `KeysFault`."""
    entries = [*load(text, form), entry]
    if form == "json":
        return _json(entries)
    return _checked(_appended(text, entry), entries)


def without_entry(text: str, name: str, form: Form) -> str:
    """The text without the entry of that name. Raises `KeysFault`, also where there is none."""
    entries = load(text, form)
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    if name not in names:
        raise KeysFault(f"there is no key of the name {name}")
    place = names.index(name)
    del entries[place]
    if form == "json":
        return _json(entries)
    return _checked(_removed(text, place), entries)


def _json(entries: list[Any]) -> str:
    return json.dumps({"keys": entries}, indent=2, ensure_ascii=False) + "\n"


def _checked(text: str, entries: list[Any]) -> str:
    try:
        as_asked = load(text, "yaml") == entries
    except KeysFault:
        as_asked = False
    if not as_asked:
        raise KeysFault(_BY_HAND)
    return text


def _appended(text: str, entry: dict[str, Any]) -> str:
    block = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=10_000).splitlines()
    lines = text.splitlines()
    node = compose(text)
    if node is None:
        return _joined([*lines, "keys:", *_indented(block, 2)])
    keys = _entries_node(node)
    if not isinstance(keys, yaml.SequenceNode) or not keys.value:
        start = keys.start_mark
        lines[start.line] = lines[start.line][: start.column].rstrip()  # drops an empty `[]` or `null`
        return _joined([*lines[: start.line + 1], *_indented(block, 2), *lines[start.line + 1 :]])
    end = _last_line(keys) + 1
    return _joined([*lines[:end], *_indented(block, keys.start_mark.column), *lines[end:]])


def _removed(text: str, place: int) -> str:
    lines = text.splitlines()
    node = compose(text)
    assert node is not None
    item = _entries_node(node).value[place]
    return _joined([*lines[: item.start_mark.line], *lines[_last_line(item) + 1 :]])


def _entries_node(node: yaml.Node) -> yaml.Node:
    value: yaml.Node = node.value[0][1]  # `load` has seen that there is `keys` and nothing else
    return value


def _last_line(node: yaml.Node) -> int:
    """The last line that the node stands on; the mark at the end of a block is beyond the comments that follow it."""
    last: int = max(leaf.end_mark.line - (leaf.end_mark.column == 0) for leaf in _leaves(node))
    return last


def _leaves(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.ScalarNode) or getattr(node, "flow_style", False) or not node.value:
        yield node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield from _leaves(value)
    else:
        for value in node.value:
            yield from _leaves(value)


def _indented(lines: list[str], columns: int) -> list[str]:
    return [" " * columns + line for line in lines]


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
