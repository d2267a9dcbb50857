"""A conversation with a gateway that runs: a question goes out, and its answer comes back piece by piece.

Knows the chat API's stream. Does not know who talks or where the pieces are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import httpx2
import trio
from pydantic_core import from_json, to_json

from lingma_trio.doctor.running import OK, NoGateway, Refused, RunningGateway

Message: TypeAlias = dict[str, str]

SILENCE = 90.0
"""Seconds without a byte after which a gateway is gone: it sends comments while an answer takes its time."""

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes. Whatever sends more in one event is no gateway."""


async def ask(gateway: RunningGateway, messages: Sequence[Message], *, model: str, show: Callable[[str], None]) -> str:
    """Put the conversation so far and hand each piece of the answer to `show`; returns the whole of it.

    Raises `Refused` for an error of the gateway's own, also one that comes after text, and `NoGateway` for an answer
    that breaks off. Cancelling closes the connection, by which the gateway ends the turn.
    """
    reader = _Reader(show)
    headers = {"accept-encoding": "identity", "content-type": "application/json"}
    if gateway.api_key:
        headers["authorization"] = f"Bearer {gateway.api_key.get_secret_value()}"
    question = to_json({"model": model, "stream": True, "messages": list(messages)})
    url = f"{gateway.url}/v1/chat/completions"
    try:
        client = gateway.client()
        with trio.fail_after(SILENCE) as silence:
            async with client, client.stream("POST", url, headers=headers, content=question) as answer:
                async for piece in answer.aiter_raw():
                    silence.deadline = trio.current_time() + SILENCE
                    reader.take(piece, streams=answer.status_code == OK)
    except trio.TooSlowError:
        raise NoGateway(f"{gateway.url} was silent for {SILENCE:g} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NoGateway(f"nothing answers at {gateway.url} ({str(error) or type(error).__name__})") from None
    return reader.result(gateway.url)


class _Reader:
    """Makes text of the bytes of a stream, or of an error's body."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._rest = b""
        self._text: list[str] = []
        self._fault = ""
        self._complete = False

    def take(self, piece: bytes, *, streams: bool) -> None:
        """Take the next bytes; `streams` says that they are events."""
        *lines, self._rest = (self._rest + piece).split(b"\n") if streams else (self._rest + piece,)
        if len(self._rest) > LONGEST_LINE:
            raise NoGateway("what answers says too much for a lingma-trio")
        for line in lines:
            if line.startswith(b"data: "):
                self._event(line.removeprefix(b"data: ").strip())

    def _event(self, data: bytes) -> None:
        if data == b"[DONE]":
            self._complete = True
            return
        match _object(data):
            case {"error": {"message": str(message)}}:
                self._fault = message
            case {"choices": [{"delta": {"content": str(text)}}, *_]} if text:
                self._text.append(text)
                self._show(text)

    def result(self, url: str) -> str:
        """The whole text. Raises `Refused`, or `NoGateway` for a stream without its end."""
        match _object(self._rest):
            case {"error": {"message": str(message)}}:
                self._fault = message
        if self._fault:
            raise Refused(self._fault)
        if not self._complete:
            raise NoGateway(f"the answer of {url} broke off")
        return "".join(self._text)


def _object(data: bytes) -> object:
    try:
        return from_json(data)
    except ValueError:
        return None
