"""A chat completion in one piece: the events of one answer folded into a JSON body.

Knows OpenAI's `chat.completion`; must not know HTTP, the clock or where events come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.custom_tools import as_input
from lingma_trio.api.json_text import encodable, encode
from lingma_trio.api.openai.usage import usage_fields
from lingma_trio.api.whole_body import GatheredBody

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lingma_trio.turns import FinishReason, ToolCall, Usage


class ChatBody(GatheredBody):
    """One answer as a `chat.completion` object; an `Encoder` that hands out nothing until `finish`.

    `created` is in seconds since the epoch. Holds the whole answer in memory until then. `legacy_functions` gives the
    call as `function_call`, the form before tools, in which there is one at the most. `index` is the answer's place
    among those of one response. Calls of tools that `custom` names are given with a text and not with arguments.
    """

    __slots__ = ("_common", "_custom", "_index", "_legacy")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002
        model: str,
        created: int,
        legacy_functions: bool = False,
        index: int = 0,
        custom: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self._common = {"id": encodable(id), "object": "chat.completion", "created": created, "model": encodable(model)}
        self._index = index
        self._legacy = legacy_functions
        self._custom = custom

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the whole body, with `reasoning_content` only where there was reasoning."""
        del stop_sequence  # chat completions do not say which one it was
        return self.frame((self.close(reason),), usage)

    def close(self, reason: FinishReason) -> bytes:
        """Return the whole answer, as it stands among the body's choices."""
        self._end()
        return encode(
            {
                "index": self._index,
                "message": self._message(),
                "logprobs": None,
                "finish_reason": finish_reason(reason, legacy_functions=self._legacy),
            }
        )

    def frame(self, closed: Iterable[bytes], usage: Usage) -> bytes:
        """Return the body with the answers that are `closed`."""
        return body_of_choices(self._common, closed, usage)

    def _message(self) -> dict[str, object]:
        text = encodable(self._text.getvalue())
        message: dict[str, object] = {
            "role": "assistant",
            "content": None if self._calls and not text else text,
            "refusal": None,
        }
        if self._calls and self._legacy:
            message["function_call"] = _call_fields(self._calls[0], frozenset())["function"]
        elif self._calls:
            message["tool_calls"] = [_call_fields(call, self._custom) for call in self._calls]
        if thought := self._thought.getvalue():
            message["reasoning_content"] = encodable(thought)
        return message


def body_of_choices(common: dict[str, object], closed: Iterable[bytes], usage: Usage) -> bytes:
    """Return the JSON of a body with these fields, the choices that are JSON already, and the usage of all."""
    head = encode(common)[:-1] + b',"choices":['
    return b"".join((head, b",".join(closed), b'],"usage":', encode(usage_fields(usage)), b"}"))


def finish_reason(reason: FinishReason, *, legacy_functions: bool) -> str:
    """Return `reason` by the name it has in an answer with tools, or with the functions that came before them."""
    return "function_call" if legacy_functions and reason == "tool_calls" else reason


def _call_fields(call: ToolCall, custom: frozenset[str]) -> dict[str, object]:
    if call.name in custom:
        made = {"name": encodable(call.name), "input": as_input(call.arguments)}
        return {"id": encodable(call.id), "type": "custom", "custom": made}
    function = {"name": encodable(call.name), "arguments": encodable(call.arguments)}
    return {"id": encodable(call.id), "type": "function", "function": function}
