"""Ollama's package for Python runs an errand of two steps, whole and in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ollama import Client, Message, ResponseError

from tests.conformance.clients import API_KEY
from tests.conformance.errand import CLOSING, MODEL, TASK, Errand

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[Client, Any, Errand], Message]


def client_of(origin: str) -> Client:
    return Client(host=origin, headers={"Authorization": f"Bearer {API_KEY}"})


def whole(client: Client, messages: Any, errand: Errand) -> Message:  # noqa: ANN401 - the client's own unions
    """The next message; the tools are declared by the package from the functions themselves."""
    return client.chat(MODEL, messages, tools=[errand.look, errand.count]).message


def streamed(client: Client, messages: Any, errand: Errand) -> Message:  # noqa: ANN401 - as above
    """The next message, put together as the package's own examples do."""
    text = ""
    calls: list[Message.ToolCall] = []
    for piece in client.chat(MODEL, messages, tools=[errand.look, errand.count], stream=True):
        text += piece.message.content or ""
        calls += piece.message.tool_calls or []
    return Message(role="assistant", content=text, tool_calls=calls)


@pytest.mark.parametrize("ask", [whole, streamed])
def test_errand(ask: Ask, origin: str) -> None:
    """Both tools are called, and what they found reaches the model."""
    errand, messages = Errand(), [Message(role="user", content=TASK)]
    with client_of(origin) as client:
        while calls := (message := ask(client, messages, errand)).tool_calls:
            messages.append(message)
            for call in calls:
                found = errand.run(call.function.name, call.function.arguments)
                messages.append(Message(role="tool", tool_name=call.function.name, content=found))
    assert message.content == CLOSING
    assert errand.is_done


def test_answer_that_breaks_off_is_an_error(forsaken: str) -> None:
    """The package asks for nothing again by itself, and takes half an answer for no whole one."""
    with client_of(forsaken) as client:
        pieces = client.chat(MODEL, [{"role": "user", "content": TASK}], stream=True)
        with pytest.raises(ResponseError):
            list(pieces)
        assert client.chat(MODEL, [{"role": "user", "content": "Once more."}]).done
