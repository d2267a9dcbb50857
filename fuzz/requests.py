"""The body of a request on any surface: it is read, or refused by an error of our own that says why.

An input is the body, from its second byte on; the first says to which surface it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from fuzz.target import Target
from lingma_trio.api.answer_request import Origin
from lingma_trio.api.anthropic import request as anthropic
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.choices import SeveralAnswers
from lingma_trio.api.completions import request as completions
from lingma_trio.api.ollama import request as ollama
from lingma_trio.api.ollama.figures import Watch
from lingma_trio.api.openai import request as openai
from lingma_trio.api.responses.asked import ResponseRequest
from lingma_trio.api.responses.memory import Memory
from lingma_trio.api.responses.request import read_request
from lingma_trio.errors import GatewayError
from lingma_trio.turns import Prompt

ORIGIN = Origin("0" * 32, "org_auto", 1_700_000_000)
WATCH = Watch(0.0, lambda: 0.0)


def _chat(body: bytes) -> object:
    return openai.parse(body).wanted()


def _messages(body: bytes) -> object:
    return anthropic.as_request(anthropic.read_body(body))


def _count(body: bytes) -> object:
    return anthropic.as_request(anthropic.read_for_count(body))


def _responses(body: bytes) -> object:
    return read_request(read_as(ResponseRequest, body), Memory(), "1")


def _ollama_chat(body: bytes) -> object:
    return ollama.parse_chat(body, WATCH)


def _ollama_generate(body: bytes) -> object:
    return ollama.parse_generate(body, WATCH)


SURFACES: tuple[Callable[[bytes], object], ...] = (
    _chat, completions.parse, _messages, _responses, _ollama_chat, _ollama_generate, _count, ollama.parse_show,
)  # fmt: skip


REFUSALS = range(400, 500)

for read in SURFACES:
    with suppress(GatewayError):  # what reads a surface's bodies is built for the first one, which costs more
        read(b"{}")


def check(data: bytes) -> None:
    """Read it, and where that is a request, see that it can be asked and answered."""
    surface, body = int.from_bytes(data[:1]) % len(SURFACES), data[1:]
    try:
        asked = SURFACES[surface](body)
    except GatewayError as refusal:
        error = refusal
    else:
        _see(asked)
        return
    assert error.status in REFUSALS, error
    assert error.message.encode()


def _see(asked: object) -> None:
    request = asked.request if isinstance(asked, SeveralAnswers) else asked
    prompt = getattr(request, "prompt", None)
    if isinstance(prompt, Prompt):
        assert prompt.messages
        assert prompt.size >= 0
        for message in prompt.messages:
            assert message.text.encode() is not None
        request.encoder(ORIGIN)  # type: ignore[attr-defined]


TARGET = Target("requests", check, size=4096, calls=6000, calls_per_byte=100)
