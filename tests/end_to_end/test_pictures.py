"""Pictures on their whole way: from each surface to Lingma, and what becomes of those that do not get there.

The simulator says in its answer which pictures came with the question.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from tests.end_to_end.client import Answer, fetch
from tests.end_to_end.gateway import SERVE, Gateway, started
from tests.end_to_end.upstreams import CHAT, Upstream

QUICK = "first=0,gap=0"
SEES, BLIND = "auto", "org_auto"


def png(side: int) -> bytes:
    """A picture of so many pixels each way, which does not compress."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * y * 37) % 251 for x in range(3 * side)) for y in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


SMALL, LARGE = png(2), png(40)
LIMIT = 1000  # characters between the two
ELSEWHERE = b""
"""Stands for a picture that is named by a file's id."""


def _chat(*said: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - text, or a picture
    def part(each: str | bytes) -> dict[str, Any]:
        if isinstance(each, str):
            return {"type": "text", "text": each}
        return (
            {"type": "image_url", "image_url": {"url": _uri(each)}} if each else {"type": "input_image", "file_id": "f"}
        )

    messages = [{"role": role, "content": [part(each) for each in parts]} for role, parts in _turns(said)]
    return "/v1/chat/completions", {"messages": messages}


def _responses(*said: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - text, or a picture
    def part(role: str, each: str | bytes) -> dict[str, Any]:
        if isinstance(each, str):
            return {"type": "output_text" if role == "assistant" else "input_text", "text": each}
        return {"type": "input_image", "image_url": _uri(each)} if each else {"type": "input_image", "file_id": "f"}

    items = [{"role": role, "content": [part(role, each) for each in parts]} for role, parts in _turns(said)]
    return "/v1/responses", {"input": items}


def _messages(*said: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - text, or a picture
    def part(each: str | bytes) -> dict[str, Any]:
        if isinstance(each, str):
            return {"type": "text", "text": each}
        source = {"type": "base64", "media_type": "image/png", "data": b64encode(each).decode()}
        return {"type": "image", "source": source if each else {"type": "file", "file_id": "f"}}

    messages = [{"role": role, "content": [part(each) for each in parts]} for role, parts in _turns(said)]
    return "/v1/messages", {"max_tokens": 1000, "messages": messages}


def _results(*said: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - text, or a picture
    """The pictures of the last turn as what a tool has returned."""
    path, body = _messages(*said)
    *before, last = body["messages"]
    call = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": last["content"]}]}
    asked = [] if before and before[-1]["role"] == "assistant" else [{"role": "user", "content": "Look."}]
    return path, {**body, "messages": [*before, *asked, {"role": "assistant", "content": [call]}, result]}


def _ollama(*said: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - text, or a picture
    messages = [
        {
            "role": role,
            "content": "\n".join(each for each in parts if isinstance(each, str)),
            "images": [b64encode(each).decode() for each in parts if isinstance(each, bytes)],
        }
        for role, parts in _turns(said)
    ]
    return "/api/chat", {"messages": messages, "stream": False}


SURFACES: dict[str, Callable[..., tuple[str, dict[str, Any]]]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
    "results of tools": _results,
    "ollama": _ollama,
}
FIELDS = {
    "chat": ("messages[{}].content[1].image_url", "messages[{}].content[1].file_id"),
    "responses": ("input[{}].content[1].image_url", "input[{}].content[1].file_id"),
    "messages": ("messages[{}].content[1].source.data", "messages[{}].content[1].source.file_id"),
    "ollama": ("messages[{}].images[0]", ""),
}


def _uri(picture: bytes) -> str:
    return f"data:image/png;base64,{b64encode(picture).decode()}"


def _turns(said: Sequence[Sequence[str | bytes]]) -> Iterator[tuple[str, Sequence[str | bytes]]]:
    for place, parts in enumerate(said):
        yield ("assistant" if place % 2 else "user"), parts


async def ask(gateway: Gateway, surface: str, *said: Sequence[str | bytes], model: str = SEES) -> Answer:
    """Ask in one piece what is said in turns, the user's and the assistant's."""
    path, body = SURFACES[surface](*said)
    return await fetch(gateway.port, "POST", path, to_json({**body, "model": model}))


def told(answer: Answer) -> str:
    """The words of an error, in whichever envelope."""
    error = answer.json["error"]
    message: str = error if isinstance(error, str) else error["message"]
    return message


@contextmanager
def gateway_with(
    tmp_path_factory: pytest.TempPathFactory, knobs: str = "", upstream: Upstream = CHAT
) -> Iterator[Gateway]:
    """A gateway whose simulator has these knobs turned."""
    directory: Path = tmp_path_factory.mktemp("pictures")
    with started(directory, SERVE, upstream, LINGMA_SIMULATOR=",".join(filter(None, (QUICK, knobs)))) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One whose upstream takes every picture."""
    with gateway_with(tmp_path_factory, upstream=upstream) as running:
        yield running


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One whose Lingma refuses large pictures, and takes its time with small ones."""
    with gateway_with(tmp_path_factory, f"upload=refused,upload_limit={LIMIT},upload_time=0.3") as running:
        yield running


@pytest.mark.parametrize("surface", SURFACES)
async def test_pictures_reach_the_model(gateway: Gateway, surface: str) -> None:
    """Those of the question and those of an older one, each as it was sent."""
    one = await ask(gateway, surface, ["What is it?", SMALL])
    assert one.status == 200, one.json
    assert f"image/png of {len(SMALL)} bytes]" in one.body.decode()
    two = await ask(gateway, surface, ["What is it?", LARGE], ["A square."], ["And this?", SMALL])
    assert two.status == 200, two.json
    assert f"[image/png of {len(LARGE)} bytes; image/png of {len(SMALL)} bytes]" in two.body.decode()


@pytest.mark.parametrize("surface", FIELDS)
async def test_a_model_that_sees_nothing_is_named(gateway: Gateway, surface: str) -> None:
    """So is the field of the last message that it is asked about; a picture before that does not block the rest."""
    gateway.upstream.needs("blind models")
    refused = await ask(gateway, surface, ["Hello"], ["Hello."], ["What is it?", SMALL], model=BLIND)
    assert refused.status == 400
    assert BLIND in told(refused)
    assert FIELDS[surface][0].format(2) in told(refused)
    served = await ask(gateway, surface, ["What is it?", SMALL], ["A square."], ["Thanks."], model=BLIND)
    assert served.status == 200, served.json
    assert "image/png" not in served.body.decode()


@pytest.mark.parametrize("surface", [surface for surface, (_, elsewhere) in FIELDS.items() if elsewhere])
async def test_a_picture_that_is_kept_elsewhere_is_named(gateway: Gateway, surface: str) -> None:
    """It is refused in the last message, and told of in an older one."""
    refused = await ask(gateway, surface, ["What is it?", ELSEWHERE])
    assert refused.status == 400
    assert FIELDS[surface][1].format(0) in told(refused)
    served = await ask(gateway, surface, ["What is it?", ELSEWHERE], ["A square."], ["And this?", SMALL])
    assert served.status == 200, served.json
    assert f"[image/png of {len(SMALL)} bytes]" in served.body.decode()


@pytest.mark.parametrize("surface", SURFACES)
async def test_a_picture_that_lingma_refuses_ends_no_conversation(full: Gateway, surface: str) -> None:
    """A question about it fails with Lingma's reason; an older one is left out, and what comes late is waited for."""
    failed = await ask(full, surface, ["What is it?", LARGE])
    assert (failed.status, "failed to upload the image" in told(failed)) == (502, True)
    served = await ask(full, surface, ["What is it?", LARGE], ["A square."], ["And this?", SMALL])
    assert served.status == 200, served.json
    assert f"[image/png of {len(SMALL)} bytes]" in served.body.decode()


@pytest.mark.slow
async def test_an_upload_that_is_never_told_of_ends_no_conversation(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The question is asked without the older picture when Lingma has had its time."""
    with gateway_with(tmp_path_factory, f"upload=silent,upload_limit={LIMIT}") as silent:
        served = await ask(silent, "chat", ["What is it?", LARGE], ["A square."], ["And this?", SMALL])
        assert served.status == 200, served.json
        assert f"[image/png of {len(SMALL)} bytes]" in served.body.decode()
        failed = await ask(silent, "chat", ["What is it?", LARGE])
        assert failed.status == 502


@pytest.mark.parametrize("protocol", ["session_and_stop", "chat_but_stop"])
@pytest.mark.parametrize("said", [["Hello"], ["What is it?", SMALL]], ids=["text", "picture"])
async def test_first_question_finds_out_the_dialect(
    tmp_path_factory: pytest.TempPathFactory, protocol: str, said: list[str | bytes]
) -> None:
    """A Lingma that the probe was wrong about answers the very question that shows it, and all that follow."""
    with gateway_with(tmp_path_factory, f"protocol={protocol}") as misjudged:
        questions: list[list[str | bytes]] = [said, ["What is it?", SMALL]]
        for question in questions:
            answer = await ask(misjudged, "chat", question)
            assert answer.status == 200, answer.json
            seen = f"image/png of {len(SMALL)} bytes" in answer.body.decode()
            assert seen is (SMALL in question)
        assert misjudged.log.count("dialect_changed") == 1
        going_on = await ask(misjudged, "chat", ["Hello"], ["Hello."], ["And now?"])
        assert going_on.status == 200, going_on.json
