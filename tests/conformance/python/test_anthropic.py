"""Anthropic's package for Python runs an errand of two steps: by hand, by its tool runner and in threads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from anthropic import Anthropic, APIError, DefaultHttpxClient, beta_tool
from httpx2 import TransportError

from tests.conformance.clients import API_KEY
from tests.conformance.errand import CLOSING, MODEL, TASK, TOOLS, Errand

if TYPE_CHECKING:
    from collections.abc import Callable

    from anthropic.types import Message

DECLARED: Any = [
    {"name": name, "description": told, "input_schema": parameters} for name, (told, parameters) in TOOLS.items()
]
ASKED: Any = {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": TASK}]}


def client_of(origin: str, *, retries: int = 0, sent: list[Any] | None = None) -> Anthropic:
    """A client; `sent` takes the bodies of its requests."""
    bodies: list[Any] = [] if sent is None else sent
    hooks: Any = {"request": [lambda request: bodies.append(json.loads(request.content))]}
    http_client = DefaultHttpxClient(event_hooks=hooks)
    return Anthropic(base_url=origin, api_key=API_KEY, max_retries=retries, http_client=http_client)


def text_of(message: Any) -> str:  # noqa: ANN401 - a message of one of two families of types
    return "".join(block.text for block in message.content if block.type == "text")


def results_of(message: Any, errand: Errand) -> list[Any]:  # noqa: ANN401 - as above
    calls = [block for block in message.content if block.type == "tool_use"]
    return [
        {"type": "tool_result", "tool_use_id": call.id, "content": errand.run(call.name, call.input)} for call in calls
    ]


def by_hand(ask: Callable[[Anthropic, Any], Message]) -> Callable[[Anthropic, Errand], str]:
    """A loop that sends the whole conversation again at each step."""

    def loop(client: Anthropic, errand: Errand) -> str:
        messages = list(ASKED["messages"])
        while True:
            message = ask(client, {**ASKED, "messages": messages, "tools": DECLARED})
            results = results_of(message, errand)
            if not results:
                return text_of(message)
            said = [block.to_dict() for block in message.content]
            messages += [{"role": "assistant", "content": said}, {"role": "user", "content": results}]

    return loop


def whole(client: Anthropic, asked: Any) -> Message:  # noqa: ANN401 - the client's own unions
    message: Message = client.messages.create(**asked)
    return message


def streamed(client: Anthropic, asked: Any) -> Message:  # noqa: ANN401 - as above
    with client.messages.stream(**asked) as stream:
        return stream.get_final_message()


def tool_runner(client: Anthropic, errand: Errand) -> str:
    tools: list[Any] = [beta_tool(errand.look), beta_tool(errand.count)]
    return text_of(client.beta.messages.tool_runner(**ASKED, tools=tools).until_done())


def streaming_tool_runner(client: Anthropic, errand: Errand) -> str:
    tools: list[Any] = [beta_tool(errand.look), beta_tool(errand.count)]
    return text_of(client.beta.messages.tool_runner(**ASKED, tools=tools, stream=True).until_done())


def thread(client: Anthropic, errand: Errand) -> str:
    asked = {name: value for name, value in ASKED.items() if name != "messages"}
    running = client.beta.messages.thread(**asked, tools=DECLARED)
    message = running.send(*ASKED["messages"])
    while results := results_of(message, errand):
        message = running.send({"role": "user", "content": results})
    return text_of(message)


def streamed_thread(client: Anthropic, errand: Errand) -> str:
    asked = {name: value for name, value in ASKED.items() if name != "messages"}
    running = client.beta.messages.thread(**asked, tools=DECLARED)
    new = ASKED["messages"]
    while True:
        with running.stream(*new) as stream:
            message = stream.get_final_message()
        results = results_of(message, errand)
        if not results:
            return text_of(message)
        new = [{"role": "user", "content": results}]


WHOLE = {"create": by_hand(whole), "tool_runner": tool_runner, "thread": thread}
STREAMED = {
    "stream": by_hand(streamed),
    "tool_runner, streamed": streaming_tool_runner,
    "thread, streamed": streamed_thread,
}
THREADED = ["tool_runner", "tool_runner, streamed", "thread", "thread, streamed"]


@pytest.mark.parametrize("loop", [*WHOLE, *STREAMED])
def test_errand(loop: str, origin: str) -> None:
    """Both tools are called, and what they found reaches the model."""
    errand = Errand()
    with client_of(origin) as client:
        assert {**WHOLE, **STREAMED}[loop](client, errand) == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("loop", THREADED)
def test_thread_is_kept_by_the_gateway(loop: str, origin: str) -> None:
    """Only what is new is sent at each step, and no step has to be repeated."""
    sent: list[Any] = []
    with client_of(origin, sent=sent) as client:
        {**WHOLE, **STREAMED}[loop](client, Errand())
    assert [body["thread"]["type"] for body in sent] == ["create", "continue", "continue"]
    assert [len(body["messages"]) for body in sent] == [1, 1, 1]
    assert ["tools" in body for body in sent] == [True, False, False]


@pytest.mark.parametrize("loop", WHOLE)
def test_answer_that_breaks_off_is_asked_for_again(loop: str, cut: str) -> None:
    """The client does so by itself, and the errand ends as if nothing had been."""
    errand = Errand()
    with client_of(cut, retries=1) as client:
        assert WHOLE[loop](client, errand) == CLOSING
    assert errand.is_done


def test_answer_that_lingma_drops_is_asked_for_again(forsaken: str) -> None:
    """The gateway's refusal is one that the client retries."""
    errand = Errand()
    with client_of(forsaken, retries=1) as client:
        assert WHOLE["create"](client, errand) == CLOSING
    assert errand.is_done


@pytest.mark.parametrize("loop", STREAMED)
def test_stream_that_breaks_off_is_no_answer(loop: str, cut: str) -> None:
    """The client raises; whoever asks again gets the whole errand done."""
    with client_of(cut, retries=1) as client:
        with pytest.raises((APIError, TransportError)):
            STREAMED[loop](client, Errand())
        errand = Errand()
        assert STREAMED[loop](client, errand) == CLOSING
    assert errand.is_done
