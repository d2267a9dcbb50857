"""A legacy completion in one piece: the events of one answer folded into a JSON body.

Knows OpenAI's `text_completion`; must not know HTTP, the clock or where events come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingma_trio.api.json_text import encodable, encode
from lingma_trio.api.openai.body import body_of_choices
from lingma_trio.api.whole_body import TextBody

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lingma_trio.turns import FinishReason, Usage


class CompletionBody(TextBody):
    """One answer as a `text_completion` object; an `Encoder` that hands out nothing until `finish`.

    `created` is in seconds since the epoch; `echo` stands ahead of the answer. Reasoning has no place in a completion
    and is left out. `index` is the answer's place among those of one response. Holds the whole answer in memory until
    then.
    """

    __slots__ = ("_common", "_echo", "_index")

    def __init__(self, *, id: str, model: str, created: int, echo: str = "", index: int = 0) -> None:  # noqa: A002
        super().__init__()
        self._common = {"id": encodable(id), "object": "text_completion", "created": created, "model": encodable(model)}
        self._echo = echo
        self._index = index

    def finish(self, reason: FinishReason, usage: Usage, *, stop_sequence: str = "") -> bytes:
        """Return the whole body."""
        del stop_sequence  # completions do not say which one it was
        return self.frame((self.close(reason),), usage)

    def close(self, reason: FinishReason) -> bytes:
        """Return the whole answer, as it stands among the body's choices."""
        self._end()
        text = encodable(self._echo + self._text.getvalue())
        return encode({"index": self._index, "text": text, "logprobs": None, "finish_reason": reason})

    def frame(self, closed: Iterable[bytes], usage: Usage) -> bytes:
        """Return the body with the answers that are `closed`."""
        return body_of_choices(self._common, closed, usage)
