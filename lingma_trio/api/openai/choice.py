"""How the tools of a request may be used, as OpenAI's clients say it, for a chat completion or for a response.

Knows every form of a choice: a word, an object that is one, an object that names a tool, and one that names several.
Must not know how tools are declared.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from lingma_trio.api.fields import json_object, required_string, string
from lingma_trio.api.hosted import refused
from lingma_trio.api.toolbox import inner_name, listed_tools
from lingma_trio.errors import InvalidRequest
from lingma_trio.turns import Tool

Choice: TypeAlias = Literal["auto", "none", "required"]

_CHOICES: Final[dict[str, Choice]] = {"auto": "auto", "none": "none", "required": "required", "any": "required"}
_NAMED: Final = ("function", "custom", "tool")
_ALLOWED: Final = "allowed_tools"


class Choosing(NamedTuple):
    """How tools may be used: `named` has to be called, and no others than `among` are, where it names any.

    `param` is the field that says so.
    """

    param: str
    choice: Choice = "auto"
    named: str = ""
    among: frozenset[str] = frozenset()

    def allowed(self, tools: Sequence[Tool]) -> list[Tool]:
        """Return those of the declared tools that may be called; raises `InvalidRequest` where one is not declared."""
        left = [tool for tool in tools if not self.among or tool.name in self.among]
        if len({tool.name for tool in left}) < len(self.among):
            raise InvalidRequest(f"{self.param} names a tool that is not declared.", param=self.param)
        return left


def read_choice(value: str | Mapping[str, Any] | None, *, param: str, kinds: Collection[str] = ()) -> Choosing:
    """Read the choice in the field `param`; nothing and an empty object are none.

    A tool of one of `kinds` has the name of its kind. Raises `InvalidRequest` that names the field at fault, also where
    only a tool that a vendor would run may be called.
    """
    if not value:
        return Choosing(param)
    kind = value if isinstance(value, str) else value.get("type")
    if isinstance(kind, str) and kind in _CHOICES:
        return Choosing(param, _CHOICES[kind])
    if isinstance(value, str):
        raise InvalidRequest(
            f"{param} must be one of {', '.join(_CHOICES)}, or an object that names a tool.", param=param
        )
    if kind == _ALLOWED:
        return _read_allowed(value, param, kinds)
    name = _tool_name(value, param, kinds)
    if not name:
        raise refused(str(kind), param=param)
    return Choosing(param, "required", name)


def _read_allowed(choice: Mapping[str, Any], param: str, kinds: Collection[str]) -> Choosing:
    """Read which tools may be called, in the object itself or in the one within it that chat completions have."""
    place = param
    if choice.get(_ALLOWED) is not None:
        place = f"{param}.{_ALLOWED}"
        choice = json_object(choice[_ALLOWED], param=place)
    mode = choice.get("mode", "auto")
    if mode not in ("auto", "required"):
        raise InvalidRequest(f"{place}.mode must be auto or required.", param=f"{place}.mode")
    listed = listed_tools(choice.get("tools"), param=f"{place}.tools")
    if not listed:
        raise InvalidRequest(f"{place}.tools must name at least one tool.", param=f"{place}.tools")
    paths = [f"{place}.tools[{at}]" for at in range(len(listed))]
    names = [_tool_name(json_object(each, param=path), path, kinds) for each, path in zip(listed, paths, strict=True)]
    if not any(names):
        raise refused(listed[0]["type"], param=param)
    return Choosing(param, mode, among=frozenset(filter(None, names)))


def _tool_name(choice: Mapping[str, Any], param: str, kinds: Collection[str]) -> str:
    """Return the name under which the model knows the chosen tool, or nothing for a tool that a vendor would run.

    It is named in the object itself or in the one within it that is called like its kind.
    """
    given = choice.get("type")
    kind = "function" if given is None else required_string(given, param=f"{param}.type")
    if kind in kinds:
        return kind
    if kind not in _NAMED:
        return ""
    inner = "custom" if kind == "custom" else "function"
    if choice.get("name") is None and choice.get(inner) is not None:
        param = f"{param}.{inner}"
        choice = json_object(choice[inner], param=param)
    namespace = string(choice.get("namespace"), param=f"{param}.namespace")
    name = required_string(choice.get("name"), param=f"{param}.name")
    if not name:
        raise InvalidRequest(f"{param}.name must not be empty.", param=f"{param}.name")
    return inner_name(name, namespace)
