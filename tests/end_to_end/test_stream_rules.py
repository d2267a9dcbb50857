"""What the official clients were measured to break on, held against every surface's stream as it is on the wire.

Both clients for Python read these streams in their own tests; here is what lies between the lines of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI
from pydantic_core import to_json

from tests.end_to_end.client import PATIENCE, Answer, fetch
from tests.end_to_end.gateway import Gateway, started

SLOW = "Slowly.\n#simulate first=0.4 gap=0.1"
CUT_SHORT = "Go on.\n#simulate first=0.4 deltas=40 partial=1 status=500"
USER = [{"role": "user", "content": SLOW}]
ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": USER, "stream_options": {"include_usage": True}},
    "/v1/completions": {"prompt": SLOW},
    "/v1/responses": {"input": SLOW},
    "/v1/messages": {"messages": USER, "max_tokens": 1000},
}
NAMED = ("/v1/messages", "/v1/responses")
"""Surfaces whose events have names."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that shows signs of life every 50 ms."""
    directory = tmp_path_factory.mktemp("rules")
    with started(directory, SSE_KEEPALIVE_SEC="0.05", LINGMA_SIMULATOR="first=0,gap=0") as running:
        yield running


async def streamed(gateway: Gateway, path: str, **changes: Any) -> Answer:  # noqa: ANN401
    body = to_json({"model": "org_auto", "stream": True, **ASKED[path], **changes})
    return await fetch(gateway.port, "POST", path, body)


def blocks(answer: Answer) -> list[list[str]]:
    """The lines between each two blank lines."""
    return [block.split("\n") for block in answer.body.decode().removesuffix("\n\n").split("\n\n")]


@pytest.mark.parametrize("path", ASKED)
async def test_nothing_stands_in_a_stream_that_a_client_stumbles_over(gateway: Gateway, path: str) -> None:
    """No `id:` and no `retry:`, no event without data, no name where none is expected and a name where one is."""
    answer = await streamed(gateway, path)
    assert answer.complete
    for lines in blocks(answer):
        fields = [line.partition(":")[0] for line in lines]
        if fields == [""]:
            continue  # a comment
        assert fields == (["event", "data"] if path in NAMED else ["data"]), lines
        assert lines[-1].removeprefix("data:").strip()


@pytest.mark.parametrize("path", ASKED)
async def test_a_silent_stream_shows_signs_of_life_before_its_first_event(gateway: Gateway, path: str) -> None:
    """They are comments, which no client takes for an event, and Anthropic's own `ping` on its surface."""
    first, second, *_ = blocks(await streamed(gateway, path))
    expected = ["event: ping", 'data: {"type":"ping"}'] if path == "/v1/messages" else None
    for lines in (first, second):
        assert lines == expected or (expected is None and lines[0].startswith(":")), lines


async def test_the_role_comes_first_and_once(gateway: Gateway) -> None:
    """The first chunk has the role and nothing else to say; the last with a choice has the finish reason."""
    answer = await streamed(gateway, "/v1/chat/completions")
    *chunks, usage, done = answer.events
    assert done == "[DONE]"
    assert usage["choices"] == []
    assert [chunk["choices"][0]["delta"].get("role") for chunk in chunks] == ["assistant"] + [None] * (len(chunks) - 1)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all(chunk["usage"] is None for chunk in chunks)


async def test_both_events_of_a_message_that_tell_of_usage_have_it(gateway: Gateway) -> None:
    """The helpers of Anthropic's clients break where one of them has none."""
    events = (await streamed(gateway, "/v1/messages")).events
    start = next(event for event in events if event["type"] == "message_start")
    delta = next(event for event in events if event["type"] == "message_delta")
    assert start["message"]["usage"]["input_tokens"] > 0
    assert delta["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("path", ASKED)
async def test_a_stream_that_fails_never_looks_finished(gateway: Gateway, path: str) -> None:
    """Where the surface has an event for it the stream ends with that; elsewhere the error is told and the rest cut."""
    changes: dict[str, Any] = {name: CUT_SHORT for name in ("prompt", "input") if name in ASKED[path]}
    if "messages" in ASKED[path]:
        changes["messages"] = [{"role": "user", "content": CUT_SHORT}]
    answer = await streamed(gateway, path, **changes)
    last = answer.events[-1]
    assert answer.complete is (path in NAMED)
    if path in NAMED:
        assert last["type"] in ("error", "response.failed")
    else:
        assert last["error"]["code"] == "upstream_error"
    for finished in (b"[DONE]", b'"finish_reason":"', b"message_stop", b"response.completed"):
        assert finished not in answer.body


def test_both_clients_read_past_the_signs_of_life(gateway: Gateway) -> None:
    """Raw and with their helpers, OpenAI's and Anthropic's clients get the text of a stream that began in silence."""
    address = f"http://127.0.0.1:{gateway.port}"
    messages: Any = USER
    with OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0, timeout=PATIENCE) as client:
        with client.chat.completions.create(model="org_auto", messages=messages, stream=True) as raw:
            text = "".join(chunk.choices[0].delta.content or "" for chunk in raw)
        with client.chat.completions.stream(model="org_auto", messages=messages) as helper:
            assert helper.get_final_completion().choices[0].message.content == text
        with client.responses.stream(model="org_auto", input=SLOW) as answered:
            assert answered.get_final_response().output_text == text
        failing: Any = [{"role": "user", "content": CUT_SHORT}]
        with (
            client.chat.completions.stream(model="org_auto", messages=failing) as failed,
            pytest.raises(openai.APIError),
        ):
            failed.get_final_completion()
    with (
        Anthropic(base_url=address, api_key="any", max_retries=0, timeout=PATIENCE) as anthropic,
        anthropic.messages.stream(model="org_auto", max_tokens=1000, messages=messages) as message,
    ):
        assert message.get_final_text() == text
    assert "Slowly." in text
