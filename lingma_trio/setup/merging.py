"""Puts lines into a client's file of settings and keeps all else that stands there. Pure: text to text.

Every function raises `Unmergeable` for a text that it does not understand, which is then better edited by a person.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import yaml

from lingma_trio.clients import Form, toml_line, yaml_lines


class Unmergeable(Exception):
    """The text is of another form than was expected; the message says which, and repeats nothing of it."""


def merged(form: Form, old: str, lines: str) -> str:
    """The text of a client's file with these lines in it, which are its whole text where nothing stands there."""
    if not old.strip():
        return f"{lines}\n"
    match form:
        case "json":
            ((member, values),) = json.loads(lines).items()
            return into_json(old, member, values)
        case "toml":
            found = tomllib.loads(lines)
            top = {name: value for name, value in found.items() if isinstance(value, str)}
            ((root, tables),) = ((name, value) for name, value in found.items() if name not in top)
            ((table, values),) = tables.items()
            return into_toml(old, top, f"{root}.{table}", values)
        case "yaml":
            found = yaml.safe_load(lines)
            lists = {name: value for name, value in found.items() if isinstance(value, list)}
            for member, (entry,) in lists.items():
                return into_yaml_list(old, member, entry)
            return into_yaml(old, found)
    raise Unmergeable("it is no file of settings")


def into_json(old: str, member: str, values: Mapping[str, str]) -> str:
    """The object with these values in its member, which may be there already with others."""
    try:
        found = json.loads(old) if old.strip() else {}
    except ValueError:
        raise Unmergeable("it is no JSON, or has comments") from None
    if not isinstance(found, dict) or not isinstance(found.setdefault(member, {}), dict):
        raise Unmergeable(f"its {member} is no object")
    found[member] |= values
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def into_toml(old: str, top: Mapping[str, str], table: str, values: Mapping[str, str]) -> str:
    """The document with a table at its end, and at its top those of `top` that are not set there yet."""
    found = _toml(old)
    place: Any = found
    for name in table.split("."):
        place = place.get(name, {}) if isinstance(place, dict) else {}
    if place:
        raise Unmergeable(f"it has a [{table}] already")
    above = "".join(toml_line(name, value) for name, value in top.items() if name not in found)
    below = f"[{table}]\n" + "".join(toml_line(name, value) for name, value in values.items())
    merged = "\n".join(filter(None, (above, _with_end(old).lstrip("\n"), below)))
    root = table.partition(".")[0]
    fresh = _toml(merged)
    if any(fresh.get(name) != value for name, value in found.items() if name != root):
        raise Unmergeable("its tables cannot be added to")
    return merged


def into_yaml(old: str, values: Mapping[str, object]) -> str:
    """The document with those of the values at its end that are not set in it yet."""
    found = _yaml(old)
    fresh = {name: value for name, value in values.items() if name not in found}
    merged = _with_end(old) + (yaml_lines(fresh) if fresh else "")
    if _yaml(merged) != {**found, **fresh}:
        raise Unmergeable("it is of a form that cannot be added to")
    return merged


def into_yaml_list(old: str, member: str, entry: Mapping[str, object]) -> str:
    """The document with one more entry at the head of the list of that name, unless one of the same name is there."""
    found = _yaml(old)
    entries = found.get(member) or []
    if not isinstance(entries, list):
        raise Unmergeable(f"its {member} is no list")
    if any(isinstance(each, dict) and each.get("name") == entry.get("name") for each in entries):
        raise Unmergeable(f"it has an entry {entry.get('name')} already")
    lines = _with_end(old).splitlines(keepends=True)
    if f"{member}:\n" not in lines:
        lines.append(f"{member}:\n")
    place = lines.index(f"{member}:\n") + 1
    following = next((line for line in lines[place:] if line.lstrip().startswith("- ")), "  - ")
    margin = following[: len(following) - len(following.lstrip())]
    added = yaml_lines(entry).splitlines(keepends=True)
    lines[place:place] = [margin + ("- " if number == 0 else "  ") + line for number, line in enumerate(added)]
    merged = "".join(lines)
    if _yaml(merged) != {**found, member: [dict(entry), *entries]}:
        raise Unmergeable(f"its {member} is of a form that cannot be added to")
    return merged


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise Unmergeable("it is no TOML, or cannot be added to") from None


def _yaml(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        raise Unmergeable("it is no YAML, or cannot be added to") from None
    if not isinstance(found, dict | None):
        raise Unmergeable("it is no YAML of names and values")
    return found or {}


def _with_end(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"
