"""Several answers that leave in one response, each by an encoder of its own.

Knows what the encoders of one response have in common; must not know any surface's bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lingma_trio.api.encoder import Encoder, encode_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingma_trio.api.answer_request import AnswerRequest, Origin
    from lingma_trio.errors import GatewayError
    from lingma_trio.turns import AnswerEvent, FinishReason, Prompt, Usage


class ChoiceEncoder(Encoder, Protocol):
    """An encoder whose answer may be one of several; its `finish` is `close` and `frame` in one."""

    def close(self, reason: FinishReason) -> bytes:
        """End this answer: what a stream is sent of its end, or the whole answer as it stands in a body."""
        ...

    def frame(self, closed: Iterable[bytes], usage: Usage) -> bytes:
        """What ends the response: of a stream what comes behind all answers, else the body round the `closed` ones."""
        ...


class Choices:
    """The encoders of one response's answers, in the order of their index; drives them as one `Carrier`.

    `stream` says whether what an encoder hands out is to be sent at once.
    """

    def __init__(self, encoders: Sequence[ChoiceEncoder], *, stream: bool) -> None:
        self.encoders = tuple(encoders)
        self.keepalive = self.encoders[0].keepalive
        self.fails_whole = self.encoders[0].fails_whole
        self._stream = stream
        self._closed: dict[int, bytes] = {}

    @property
    def started(self) -> bool:
        """Whether bytes have been handed out."""
        return any(encoder.started for encoder in self.encoders)

    def start(self) -> bytes:
        """Begin a stream of which nothing has come: every answer in its order, for clients number them as they come."""
        return b"".join(encoder.start() for encoder in self.encoders)

    def encode(self, index: int, events: Sequence[AnswerEvent]) -> bytes:
        """Have one of the answers take events; returns what is to be sent."""
        opening = self.start() if events and self._stream and not self.started else b""
        return opening + b"".join(encode_event(self.encoders[index], event) for event in events)

    def close(self, index: int, reason: FinishReason) -> bytes:
        """End one of the answers; returns what is to be sent."""
        opening = self.start() if self._stream and not self.started else b""
        closed = self.encoders[index].close(reason)
        self._closed[index] = closed
        return opening + closed if self._stream else b""

    def finish(self, usage: Usage) -> bytes:
        """End the response, of which every answer is closed; `usage` is that of all together."""
        return self.encoders[0].frame([self._closed[index] for index in sorted(self._closed)], usage)

    def fail(self, error: GatewayError) -> bytes:
        """End a response that has started, without letting it look complete: by one of the answers that are open.

        Where none is, the response is left without its end.
        """
        for index, encoder in enumerate(self.encoders):
            if index not in self._closed:
                return encoder.fail(error)
        return b""


@dataclass(frozen=True, slots=True)
class SeveralAnswers:
    """A checked request for several answers.

    `request` says what holds for all of them. There are `each` for each of the `prompts`, those of one prompt side by
    side. `choices` returns fresh encoders, one for each answer.
    """

    request: AnswerRequest
    prompts: tuple[Prompt, ...]
    each: int
    choices: Callable[[Origin], Choices]
