"""Reads the JSON and the calls that models write as actions, near misses included.

Knows JSON and what models make of it. Must not know fences, schemas or events.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import SEEK_END
from typing import Any, Final

from pydantic_core import from_json

from lingma_trio.policy.json_size import MAX_VALUES, excess
from lingma_trio.turns import text_buffer

NAME_KEYS: Final = ("tool", "name")
_ARGUMENT_KEYS: Final = ("arguments", "parameters", "input", "args")
_MAX_CODE: Final = 64 * 1024
"""Characters of a call written as code."""

_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f“”]+')
_CALM: Final = re.compile(r'[^"“”{}\[\],`]+')
_ESCAPES: Final = frozenset('"\\/bfnrtu')
_SMART: Final = "“”"
_CONTROL: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CLOSERS: Final = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Action:
    """A call as the model wrote it: the name of a declared tool, and its arguments.

    `spelled` is the name as it was written; it makes no difference between two calls.
    """

    name: str
    arguments: dict[str, Any]
    spelled: str = field(default="", compare=False)


class JsonScan:
    """Finds the end of the JSON value that a growing text begins with, looking at each character once.

    `mended` is the value so far with what models get wrong put right: smart quotes in the place of quotes, line breaks
    and unknown escapes in strings, commas before a bracket, and brackets missing where the block ends. Of valid JSON it
    is a copy.
    """

    def __init__(self) -> None:
        self._out = text_buffer()
        self._open: list[str] = []  # the brackets that are due
        self._quote = ""  # within a string: how it began
        self._escaped = False
        self._comma = -1  # where the comma is that is the last thing so far
        self.broken = False

    @property
    def mended(self) -> str:
        """The value as JSON."""
        return self._out.getvalue()

    def feed(self, text: str, at: int = 0) -> int | None:
        """Take `text` from `at` on.

        Returns the place behind the value, or None while it goes on; `broken` where this is no value at all.
        """
        while at < len(text):
            if self._quote:
                at = self._in_string(text, at)
                continue
            character = text[at]
            if not self._open and character not in "{[":
                if not character.isspace():
                    self.broken = True
                    return at
            elif character == "`":
                self._close_all()
                return at
            elif self._open and (calm := _CALM.match(text, at)):
                self._out.write(calm[0])
                self._comma = self._comma if calm[0].isspace() else -1
                at = calm.end()
                continue
            elif not self._outside(character):
                self.broken = True
                return at
            at += 1
            if self._out.tell() and not self._open:
                return at
        return None

    def _in_string(self, text: str, at: int) -> int:
        """Take the next part of a string; returns the place behind it."""
        character = text[at]
        if self._escaped:
            self._escaped = False
            known = character in _ESCAPES
            self._out.write(f"\\{character}" if known else character if character == "'" else f"\\\\{character}")
        elif plain := _PLAIN.match(text, at):
            self._out.write(plain[0])
            return plain.end()
        elif character == "\\":
            self._escaped = True
        elif character == self._quote or (character in _SMART and self._quote in _SMART):
            self._quote = ""
            self._out.write('"')
        elif character == '"':
            self._out.write('\\"')
        else:
            self._out.write(_CONTROL.get(character, character if character in _SMART else ""))
        return at + 1

    def _outside(self, character: str) -> bool:
        """Take a character that is in no string; says whether it can be there."""
        if character == '"' or character in _SMART:
            self._quote = character
            character = '"'
        elif character in _CLOSERS:
            self._open.append(_CLOSERS[character])
        elif character in "}]":
            if self._open.pop() != character:
                return False
            self._drop_comma()
        if character == ",":
            self._comma = self._out.tell()
        elif not character.isspace():
            self._comma = -1
        self._out.write(character)
        return True

    def _drop_comma(self) -> None:
        if self._comma >= 0:
            self._out.seek(self._comma)
            self._out.write(" ")
            self._out.seek(0, SEEK_END)

    def _close_all(self) -> None:
        self._drop_comma()
        self._out.write("".join(reversed(self._open)))
        self._open.clear()


def read_actions(text: str, names: Sequence[str], *, strict: bool = False) -> list[Action] | str:
    """The actions that a JSON text holds, or what is wrong with it, as the rest of a sentence about it.

    `strict` takes only objects that have arguments under a name of their own, and name a tool exactly.
    """
    if too_much := _excess(text):
        return f"has {too_much} in it"
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return "is no valid JSON"
    found: list[Action] = []
    for item in value if isinstance(value, list) else [value]:
        action = _read_action(item, names, strict=strict)
        if isinstance(action, str):
            return action
        found.append(action)
    return found or "names no tool"


def read_code(text: str, names: Sequence[str]) -> list[Action] | str:
    """The actions in lines like `print(api.run(command="ls"))`, or what is wrong, as the rest of a sentence."""
    if len(text) > _MAX_CODE:
        return "is no JSON"
    try:
        tree = ast.parse(text.strip())
        return [_read_call(statement, names) for statement in tree.body] or "names no tool"
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return "is no JSON object of the form that is asked for"


def _read_call(statement: ast.stmt, names: Sequence[str]) -> Action:
    """The action in one statement. Raises ValueError where there is none."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print" and call.args:
        call = call.args[0]
    if not isinstance(call, ast.Call) or call.args:
        raise ValueError
    called = call.func
    spelled = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    name = _declared(spelled, names)
    if name is None:
        raise ValueError
    return Action(name, {given.arg: ast.literal_eval(given.value) for given in call.keywords if given.arg}, spelled)


def _read_action(value: object, names: Sequence[str], *, strict: bool) -> Action | str:
    if not isinstance(value, dict):
        return "is no JSON object"
    key = next((key for key in NAME_KEYS if isinstance(value.get(key), str)), None)
    if key is None:
        return "names no tool"
    name = _declared(value[key], names)
    if name is None:
        return "names a tool that there is not"
    holder = next((holder for holder in _ARGUMENT_KEYS if holder in value), None)
    if holder is None:
        rest = {other: given for other, given in value.items() if other != key}
        return "has no arguments" if strict else Action(name, rest, value[key])
    arguments = _object(value[holder])
    return "has arguments that are no JSON object" if arguments is None else Action(name, arguments, value[key])


def _object(value: object) -> dict[str, Any] | None:
    """An object, or the one that a JSON text holds."""
    if isinstance(value, str):
        if _excess(value):
            return None
        try:
            value = from_json(value, allow_inf_nan=False)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None


def _excess(text: str) -> str:
    """What there is too much of to be read, or the empty string; a short text cannot have too much of anything."""
    return excess(text.encode("utf-8", "surrogatepass")) if len(text) > MAX_VALUES else ""


def _declared(name: str, names: Sequence[str]) -> str | None:
    """The declared tool that is meant; case, dashes and underscores make no difference where one alone is alike."""
    if name in names:
        return name
    alike = [other for other in names if _folded(other) == _folded(name)]
    return alike[0] if len(alike) == 1 else None


def _folded(name: str) -> str:
    return name.strip().casefold().replace("-", "_")
