"""Bodies that no surface can take, made systematically from good ones.

Knows JSON, the paths of each surface's fields and the kinds of value that each takes; must not know how they are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import to_json

Path: TypeAlias = str
"""Where a value stands, as `messages.0.role`."""

VALUES: Mapping[str, Any] = {
    "null": None,
    "boolean": True,
    "negative": -1,
    "fraction": 0.5,
    "string": "no such thing",
    "array": [],
    "mixed": [None, 5],
    "object": {},
}
"""A value of each kind that may stand where it does not belong. What takes `negative` takes any whole number here."""

BROKEN: Mapping[str, bytes] = {
    "nothing": b"",
    "blanks": b" \n ",
    "null": b"null",
    "true": b"true",
    "number": b"5",
    "text": b'"messages"',
    "array": b"[]",
    "array of bodies": b'[{"messages": []}]',
    "open": b"{",
    "open string": b'{"messages',
    "open array": b'{"messages": [',
    "trailing comma": b'{"model": "a",}',
    "single quotes": b"{'model': 'a'}",
    "comment": b'{"model": "a" /* the model */}',
    "two values": b"{}{}",
    "form": b"model=a&messages=b",
    "NaN": b'{"max_tokens": NaN}',
    "infinity": b'{"max_tokens": Infinity}',
    "no UTF-8": b'{"model": "\xff\xfe"}',
    "UTF-16": '{"model": "a"}'.encode("utf-16"),
    "lone surrogate": rb'{"model": "\ud800"}',
    "control character": b'{"model": "a\x00b"}',
    "deep arrays": b'{"messages": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep objects": b'{"messages": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
    "binary": bytes(range(256)),
}
"""What is no JSON object."""


@dataclass(frozen=True, slots=True)
class Surface:
    """One surface: a good body, the kinds that each of its fields takes, and what is wrong in further ways.

    `needs` are the paths without which a body is none, and `wrong` values of the right kind for paths.
    """

    path: str
    good: dict[str, Any]
    takes: Mapping[Path, str]
    needs: tuple[Path, ...]
    wrong: Mapping[Path, tuple[Any, ...]] = field(default_factory=dict)

    def corpus(self) -> Iterator[tuple[str, bytes]]:
        """Every bad body, with what is bad about it."""
        yield from BROKEN.items()
        for path in self.needs:
            yield f"no {path}", to_json(_without(self.good, path))
        for path, kinds in self.takes.items():
            taken = kinds.split()
            for kind, value in VALUES.items():
                if kind not in taken:
                    yield f"{path} is {kind}", to_json(_with(self.good, path, value))
        for path, values in self.wrong.items():
            for number, value in enumerate(values):
                yield f"{path} is wrong in way {number}", to_json(_with(self.good, path, value))


def _with(body: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    changed = deepcopy(body)
    holder, last = _holder(changed, path)
    holder[last] = value
    return changed


def _without(body: dict[str, Any], path: Path) -> dict[str, Any]:
    changed = deepcopy(body)
    holder, last = _holder(changed, path)
    del holder[last]
    return changed


def _holder(body: Any, path: Path) -> tuple[Any, Any]:  # noqa: ANN401 - any JSON
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in way:
        body = body[step]
    return body, last


_MODEL = ("m" * 257,)
_STOPS: tuple[Any, ...] = (["s"] * 17, [""], ["s" * 1025])
_FUNCTION = {"name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}

CHAT = Surface(
    "/v1/chat/completions",
    good={
        "model": "org_auto",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look."}], "name": "a"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "Seen."},
        ],
        "stream": False,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "stop": ["END"],
        "n": 1,
        "user": "somebody",
        "tools": [{"type": "function", "function": _FUNCTION}],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "response_format": {"type": "text"},
    },
    takes={
        "model": "null string",
        "messages": "",
        "messages.0": "",
        "messages.0.role": "",
        "messages.0.content": "null string array",
        "messages.1.content.0": "string object",
        "messages.1.content.0.text": "string",
        "messages.1.name": "null string",
        "messages.2.tool_calls": "null array",
        "messages.2.tool_calls.0": "",
        "messages.2.tool_calls.0.id": "null string",
        "messages.2.tool_calls.0.function": "",
        "messages.2.tool_calls.0.function.name": "string",
        "messages.3.tool_call_id": "null string",
        "stream": "null boolean",
        "stream_options": "null object",
        "stream_options.include_usage": "null boolean",
        "max_tokens": "null",
        "max_completion_tokens": "null",
        "stop": "null string array",
        "n": "null",
        "user": "null string",
        "tools": "null array",
        "tools.0": "",
        "tools.0.function": "",
        "tools.0.function.name": "",
        "tool_choice": "null object",
        "response_format": "null object",
    },
    needs=("messages", "messages.0.role", "messages.2.tool_calls.0.function", "messages.2.tool_calls.0.function.name"),
    wrong={
        "model": _MODEL,
        "messages": ([{"role": "user", "content": ""}], [{"role": "nobody", "content": "Hi."}]),
        "stop": _STOPS,
        "n": (0, 5, 10**30),
        "max_tokens": (-5, 1.5, "5"),
        "tool_choice": ({"type": "function", "function": {"name": "another"}},),
        "response_format": (
            {"type": "no such type"},
            {"type": "json_schema"},
            {"type": "json_schema", "json_schema": 5},
        ),
    },
)

_MESSAGE_TAKES = {
    "model": "null string",
    "messages": "",
    "messages.0": "",
    "messages.0.role": "",
    "messages.0.content": "null string array",
    "messages.0.content.0": "string object",
    "messages.0.content.0.text": "string",
    "messages.1.content.0": "string object",
    "messages.1.content.0.id": "null string",
    "messages.1.content.0.name": "string",
    "messages.1.content.0.input": "null object",
    "messages.2.content.0.tool_use_id": "null string",
    "messages.2.content.0.content": "null string array",
    "messages.2.content.0.is_error": "null boolean",
    "messages.2.content.1.source": "object",
    "messages.2.content.1.source.data": "string",
    "messages.2.content.1.source.media_type": "",
    "system": "null string array",
    "stream": "null boolean",
    "max_tokens": "null",
    "stop_sequences": "null string array",
    "thinking": "null object",
    "tools": "null array",
    "tools.0": "",
    "tools.0.name": "",
    "tools.0.input_schema": "null object",
    "tool_choice": "null object",
}
_MESSAGE_GOOD: dict[str, Any] = {
    "model": "claude-opus-4-1",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Look."}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": "Seen.", "is_error": False},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ],
        },
    ],
    "stream": False,
    "stop_sequences": ["END"],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}],
    "tool_choice": {"type": "auto"},
}
_MESSAGE_NEEDS = ("messages", "messages.0.role", "messages.1.content.0.name", "tools.0.name")
_MESSAGE_WRONG: dict[str, tuple[Any, ...]] = {
    "model": _MODEL,
    "messages": ([{"role": "user", "content": [5]}], [{"role": "tool", "content": "Hi."}]),
    "stop_sequences": _STOPS,
    "max_tokens": (-5, 1.5, "5"),
    "tool_choice": ({"type": "no such type"}, {"type": "tool", "name": "another"}, {"type": "tool"}),
    "output_config": (5, {"format": {"type": "no such type"}}, {"format": {"type": "json_schema", "schema": 5}}),
}
MESSAGES = Surface("/v1/messages", _MESSAGE_GOOD, _MESSAGE_TAKES, _MESSAGE_NEEDS, _MESSAGE_WRONG)
COUNT_TOKENS = Surface("/v1/messages/count_tokens", _MESSAGE_GOOD, _MESSAGE_TAKES, _MESSAGE_NEEDS, _MESSAGE_WRONG)

_RESPONSE_GOOD: dict[str, Any] = {
    "model": "org_auto",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Look."}]},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "Seen."},
    ],
    "instructions": "Be brief.",
    "store": False,
    "stream": False,
    "max_output_tokens": 5,
    "tools": [{"type": "function", **_FUNCTION}],
    "tool_choice": "auto",
    "text": {"format": {"type": "text"}},
    "reasoning": {"effort": "low"},
}
_RESPONSE_TAKES = {
    "model": "null string",
    "input": "string array",
    "input.0": "",
    "input.0.role": "",
    "input.0.content": "null string array",
    "input.0.content.0": "string object",
    "input.0.content.0.text": "string",
    "input.1.type": "string",
    "input.1.name": "string",
    "input.1.arguments": "null string object",
    "input.1.call_id": "null string",
    "input.2.call_id": "null string",
    "input.2.output": "null string array mixed object",
    "instructions": "null string array mixed",
    "previous_response_id": "null",
    "store": "null boolean",
    "stream": "null boolean",
    "background": "null",
    "conversation": "null",
    "prompt": "null",
    "max_output_tokens": "null",
    "tools": "null array",
    "tools.0": "",
    "tools.0.name": "",
    "tools.0.parameters": "null object",
    "tool_choice": "null object",
    "parallel_tool_calls": "null boolean",
    "text": "null object",
    "text.format": "null object",
    "text.format.type": "",
    "reasoning": "null object",
    "include": "null array mixed",
    "truncation": "null",
    "metadata": "null object",
    "temperature": "null negative fraction",
    "user": "null string",
}
_RESPONSE_NEEDS = ("input", "input.0.role", "input.1.name", "tools.0.name", "tools.0.type")
_RESPONSE_WRONG: dict[str, tuple[Any, ...]] = {
    "model": _MODEL,
    "input": ([{"role": "nobody", "content": "Hi."}], [{"type": 5}], [{}]),
    "max_output_tokens": (-5, 1.5, "5"),
    "tool_choice": ({"type": "function", "name": "another"}, {"type": "function"}, {"type": "allowed_tools"}),
    "text": ({"format": {"type": "json_schema"}}, {"format": {"type": "json_schema", "schema": 5}}),
}
RESPONSES, INPUT_TOKENS, COMPACT = (
    Surface(path, _RESPONSE_GOOD, _RESPONSE_TAKES, _RESPONSE_NEEDS, _RESPONSE_WRONG)
    for path in ("/v1/responses", "/v1/responses/input_tokens", "/v1/responses/compact")
)
COMPLETIONS = Surface(
    "/v1/completions",
    good={
        "model": "org_auto",
        "prompt": "def f(",
        "suffix": "return x",
        "stream": False,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "stop": ["END"],
        "n": 1,
        "best_of": 1,
        "echo": False,
        "user": "somebody",
    },
    takes={
        "model": "null string",
        "prompt": "string",
        "suffix": "null string",
        "stream": "null boolean",
        "stream_options": "null object",
        "stream_options.include_usage": "null boolean",
        "max_tokens": "null",
        "stop": "null string array",
        "n": "null",
        "best_of": "null",
        "echo": "null boolean",
        "user": "null string",
    },
    needs=("prompt",),
    wrong={
        "model": _MODEL,
        "prompt": ("", "  ", ["a", ""], [1, 2, 3], [[1, 2]]),
        "stop": _STOPS,
        "n": (5, 10**30),
        "best_of": (2,),
        "max_tokens": (-5, 1.5, "5"),
    },
)

_OLLAMA_GOOD: dict[str, Any] = {
    "model": "org_auto:latest",
    "stream": False,
    "options": {"num_predict": 5, "stop": ["END"], "temperature": 0.5},
    "keep_alive": "5m",
    "format": "",
    "think": False,
}
_OLLAMA_TAKES = {
    "model": "null string",
    "stream": "null boolean",
    "options": "null object",
    "options.num_predict": "null negative",
    "options.stop": "null string array",
    "keep_alive": "null negative fraction string",
    "format": "null object",
    "think": "null boolean",
    "logprobs": "null",
    "top_logprobs": "null",
}
_OLLAMA_WRONG: dict[str, tuple[Any, ...]] = {
    "model": _MODEL,
    "options": ({"num_predict": 1.5}, {"num_predict": "5"}, *({"stop": stops} for stops in _STOPS)),
    "format": ("xml", 5),
    "think": ("often", 5),
    "logprobs": (True,),
    "top_logprobs": (5,),
}
_IMAGES: tuple[Any, ...] = (["AAAA"], ["%"], [""], [5], "iVBORw0KGgo=")
OLLAMA_CHAT = Surface(
    "/api/chat",
    good={
        **_OLLAMA_GOOD,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look.", "images": ["iVBORw0KGgoAAAAN"]},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "look", "arguments": {}}}]},
            {"role": "tool", "tool_name": "look", "content": "Seen."},
        ],
        "tools": [{"type": "function", "function": _FUNCTION}],
        "tool_choice": "auto",
    },
    takes={
        **_OLLAMA_TAKES,
        "messages.0": "",
        "messages.0.role": "",
        "messages.0.content": "null string",
        "messages.1.images": "null array",
        "messages.2.tool_calls": "null array",
        "messages.2.tool_calls.0": "",
        "messages.2.tool_calls.0.function": "",
        "messages.2.tool_calls.0.function.name": "string",
        "messages.2.tool_calls.0.function.arguments": "null string object",
        "messages.3.tool_name": "null string",
        "messages.3.tool_call_id": "null string",
        "tools": "null array",
        "tools.0": "",
        "tools.0.type": "null",
        "tools.0.function": "",
        "tools.0.function.name": "",
        "tool_choice": "null object",
    },
    needs=("messages.0.role", "messages.2.tool_calls.0.function", "tools.0.function"),
    wrong={
        **_OLLAMA_WRONG,
        "messages": ([{"role": "user", "content": ""}], [{"role": "nobody", "content": "Hi."}], "Hi.", {}),
        "messages.1.images": _IMAGES,
        "tools.0.type": ("web_search", "no_such_kind"),
        "tool_choice": ({"type": "function", "function": {"name": "another"}},),
    },
)
OLLAMA_GENERATE = Surface(
    "/api/generate",
    good={**_OLLAMA_GOOD, "prompt": "Look.", "system": "Be brief.", "images": ["iVBORw0KGgoAAAAN"]},
    takes={
        **_OLLAMA_TAKES,
        "prompt": "null string",
        "system": "null string",
        "suffix": "null",
        "images": "null array",
        "raw": "null",
        "template": "null",
        "context": "null array",
    },
    needs=(),
    wrong={
        **_OLLAMA_WRONG,
        "prompt": ([], 5, {}),
        "suffix": ("return x",),  # beside pictures
        "images": _IMAGES,
        "raw": (True,),
        "template": ("{{ .Prompt }}",),
        "context": ([1, 2, 3],),
        "width": (512,),
    },
)
OLLAMA_SHOW = Surface(
    "/api/show",
    good={"model": "org_auto:latest", "verbose": True},
    takes={"model": "", "name": "null string"},
    needs=("model",),
    wrong={"model": (*_MODEL, "no-such-model", "")},
)

OLLAMA = (OLLAMA_CHAT, OLLAMA_GENERATE, OLLAMA_SHOW)
SURFACES = (CHAT, MESSAGES, COUNT_TOKENS, RESPONSES, INPUT_TOKENS, COMPACT, COMPLETIONS, *OLLAMA)
