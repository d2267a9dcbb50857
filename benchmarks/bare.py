"""A bare Hypercorn app on Trio that sends what the gateway would send, and does nothing else.

It reads the pace from the same line of the question that the simulator reads it from. `python -m benchmarks.bare PORT`
"""

from __future__ import annotations

import re
import sys
from functools import partial

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from pydantic_core import from_json
from starlette.types import Receive, Scope, Send

from lingma_trio.api.openai.body import ChatBody
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.turns import Usage

ID = "chatcmpl-0123456789abcdef0123456789abcdef"
MODEL = "org_auto"
CREATED = 1_700_000_000
WORD = "stream "
USAGE = Usage(20, 70)
STREAM_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]

_KNOB = re.compile(r"(deltas|first|gap)=([0-9.]+)")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at the pace that the question asks for, one send for each delta."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["path"] == "/readyz":
        await _respond(send, b"{}")
    else:
        request = from_json(await _body(receive))
        knobs = {name: float(value) for name, value in _KNOB.findall(request["messages"][-1]["content"])}
        if request["stream"]:
            await _stream(send, knobs)
        else:
            whole = ChatBody(id=ID, model=MODEL, created=CREATED)
            whole.text(WORD * int(knobs["deltas"]))
            await _respond(send, whole.finish("stop", USAGE))


async def _body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            return body


async def _respond(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send, knobs: dict[str, float]) -> None:
    began = trio.current_time()
    encoder = ChatStream(id=ID, model=MODEL, created=CREATED)
    opening, delta = encoder.text(WORD), encoder.text(WORD)
    await trio.sleep_until(began + knobs["first"])
    await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
    await send({"type": "http.response.body", "body": opening, "more_body": True})
    for index in range(1, int(knobs["deltas"])):
        if knobs["gap"]:
            await trio.sleep_until(began + knobs["first"] + knobs["gap"] * index)
        await send({"type": "http.response.body", "body": delta, "more_body": True})
    await send({"type": "http.response.body", "body": encoder.finish("stop", USAGE)})


def main() -> None:
    """Serve until SIGTERM."""
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.backlog = 1024
    config.graceful_timeout = 0.1
    trio.run(partial(serve, application, config))  # type: ignore[arg-type] # its own types of messages


if __name__ == "__main__":
    main()
