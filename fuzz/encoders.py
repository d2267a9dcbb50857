"""Any answer as any surface streams it: a decoder that knows nothing of the encoder gets the same text back.

An input is pieces that end with SEPARATOR; the first letter of each says what it is, and the first byte of all says
which surface encodes them. A call has the piece for its argument.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fuzz.target import Target
from lingma_trio.api.anthropic.stream import MessageStream
from lingma_trio.api.completions.stream import CompletionStream
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.ollama.figures import Figures, Watch
from lingma_trio.api.ollama.line import CHAT, TEXT, Line
from lingma_trio.api.ollama.stream import AnswerLines
from lingma_trio.api.openai.stream import ChatStream
from lingma_trio.api.responses.response import ResponseObject
from lingma_trio.api.responses.stream import ResponseStream
from lingma_trio.turns import ToolCall, Usage

SEPARATOR = "\x1f"
CREATED = 1_700_000_000
USAGE = Usage(7, 5, 2)


def events_of(data: bytes) -> list[Any]:
    """The events of an event stream, as the standard reads it: by its three line ends and no others."""
    text = data.decode()
    assert text.endswith("\n\n")
    events = []
    for block in text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n\n").split("\n\n"):
        lines = block.split("\n")
        told = "\n".join(line[5:].removeprefix(" ") for line in lines if line.startswith("data:"))
        assert all(line.startswith((":", "data:", "event:")) for line in lines), block
        if told and told != "[DONE]":
            events.append(json.loads(told))
    return events


def lines_of(data: bytes) -> list[Any]:
    """The objects of a stream of lines."""
    return [json.loads(line) for line in data.split(b"\n") if line]


def _chat(events: list[Any]) -> tuple[str, str, list[str]]:
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    calls: dict[int, str] = {}
    for call in (each for delta in deltas for each in delta.get("tool_calls") or ()):
        calls[call["index"]] = calls.get(call["index"], "") + call["function"]["arguments"]
    return (
        "".join(delta.get("content") or "" for delta in deltas),
        "".join(delta.get("reasoning_content") or "" for delta in deltas),
        list(calls.values()),
    )


def _completion(events: list[Any]) -> tuple[str, str, list[str]]:
    return "".join(choice["text"] for event in events for choice in event["choices"]), "", []


def _message(events: list[Any]) -> tuple[str, str, list[str]]:
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return (
        "".join(delta.get("text", "") for delta in deltas),
        "".join(delta.get("thinking", "") for delta in deltas),
        [delta["partial_json"] for delta in deltas if "partial_json" in delta],
    )


def _response(events: list[Any]) -> tuple[str, str, list[str]]:
    def told(kind: str) -> list[str]:
        return [event["delta"] for event in events if event["type"] == f"response.{kind}.delta"]

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return "".join(told("output_text")), "".join(told("reasoning_summary_text")), told("function_call_arguments")


def _lines(events: list[Any]) -> tuple[str, str, list[str]]:
    messages = [event.get("message", event) for event in events]
    calls = [json.dumps(call["function"]["arguments"]) for each in messages for call in each.get("tool_calls") or ()]
    return (
        "".join(each.get("content") or each.get("response") or "" for each in messages),
        "".join(each.get("thinking") or "" for each in messages),
        calls,
    )


def _surfaces() -> list[
    tuple[Encoder, Callable[[bytes], list[Any]], Callable[[list[Any]], tuple[str, str, list[str]]]]
]:
    answer = ResponseObject(id="resp_1", model="m", created=CREATED, facts={"metadata": {}})
    figures = Figures(Watch(0.0, lambda: 0.0))
    return [
        (ChatStream(id="chatcmpl-1", model="m", created=CREATED, include_usage=True), events_of, _chat),
        (CompletionStream(id="cmpl-1", model="m", created=CREATED), events_of, _completion),
        (MessageStream(id="msg_1", model="m", prompt_tokens=1, thinking=True), events_of, _message),
        (ResponseStream(answer, identity="1", spellings={}), events_of, _response),
        (AnswerLines(Line(CHAT, model="m", created=CREATED), figures, hidden=False), lines_of, _lines),
        (AnswerLines(Line(TEXT, model="m", created=CREATED), figures, hidden=False), lines_of, _lines),
    ]


def check(data: bytes) -> None:
    """Encode the answer, decode it, and compare."""
    surfaces = _surfaces()
    number = int.from_bytes(data[:1]) % len(surfaces)
    encoder, split, read = surfaces[number]
    text = thoughts = ""
    calls: list[Any] = []
    sent = encoder.start()
    for piece in data[1:].decode("utf-8", "replace").split(SEPARATOR):
        kind, told = piece[:1], piece[1:]
        if kind == "t":
            sent += encoder.thought(told)
            thoughts += told
        elif kind == "c" and number not in {1, 5}:
            arguments = json.dumps({"at": told}, ensure_ascii=False)
            sent += encoder.call(ToolCall(f"call_{len(calls)}", "look", arguments))
            calls.append({"at": told})
        elif kind == "k":
            sent += encoder.keepalive
        elif not calls:
            sent += encoder.text(told)
            text += told
    sent += encoder.finish("tool_calls" if calls else "stop", USAGE)
    got_text, got_thoughts, got_calls = read(split(sent))
    assert got_text == text
    assert number == 1 or got_thoughts == thoughts
    assert [json.loads(each) for each in got_calls] == calls


TARGET = Target("encoders", check, size=2048, calls=1500, calls_per_byte=60)
