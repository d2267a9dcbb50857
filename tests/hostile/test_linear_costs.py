"""What a client sends, and what Lingma answers, costs in proportion to its length: eight times as much, eight times it.

Measured is processor time, the least of several runs. Linear work grows eightfold and some noise, work with the square
of the length by 64.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TypeVar

import pytest
from pydantic_core import to_json

from lingma_trio.api.anthropic import request as anthropic
from lingma_trio.api.anthropic.body import MessageBody
from lingma_trio.api.asked.fields import MAX_MESSAGES, MAX_PARTS
from lingma_trio.api.asked.reading import read_as
from lingma_trio.api.encoder import Encoder
from lingma_trio.api.json_text import encode_text
from lingma_trio.api.openai import request as openai
from lingma_trio.api.responses.asked import ResponseRequest as Asked
from lingma_trio.api.responses.body import ResponseBody
from lingma_trio.api.responses.items import read_items
from lingma_trio.api.responses.memory import Memory
from lingma_trio.api.responses.request import read_request
from lingma_trio.api.responses.response import ResponseObject
from lingma_trio.api.responses.stream import ResponseStream
from lingma_trio.errors import InvalidRequest
from lingma_trio.policy.answer_limits import AnswerLimits
from lingma_trio.policy.backlog import Backlog
from lingma_trio.policy.transcript import render
from lingma_trio.protocol.answer import MAX_STRETCHES, Answer
from lingma_trio.protocol.reasoning import ReasoningSplitter
from lingma_trio.protocol.tools.cards import CardCutter
from lingma_trio.turns import Message, TextDelta, TextReplaced, ThoughtDelta, Usage
from tests.hostile.steps import processor_time

T = TypeVar("T")

TIMES = 8
MOST = 20.0
"""How much eight times the size may cost: between 8 and 64, about as far from either."""
RUNS = 3
FLOOR = 0.0005
"""Seconds below which a measure is noise."""


def cost(run: Callable[[T], object], make: Callable[[int], T], size: int) -> float:
    """The least processor time, in seconds, that `run` takes with what `make` makes of that size."""
    spent = []
    for _ in range(RUNS):
        given = make(size)
        gc.disable()
        try:
            with processor_time() as measured:
                run(given)
        finally:
            gc.enable()
        spent.append(measured.seconds)
    return max(FLOOR, min(spent))


def growth(run: Callable[[T], object], make: Callable[[int], T], size: int) -> float:
    """How many times as long `run` takes with TIMES the size."""
    return cost(run, make, size * TIMES) / cost(run, make, size)


def test_calls_in_a_row_are_joined_at_once() -> None:
    """Promise: a conversation of nothing but calls is read in one pass, as the one message that it is."""
    calls = [{"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}]
    assert growth(read_items, lambda size: calls * size, 4000) < MOST
    (message,) = read_items(calls * 3)
    assert len(message.tool_calls) == 3


def chat(messages: list[dict[str, Any]]) -> object:
    return openai.parse(to_json({"messages": messages}))


def message(messages: list[dict[str, Any]]) -> object:
    return anthropic.as_request(anthropic.read_body(to_json({"messages": messages})))


def response(items: list[dict[str, Any]]) -> object:
    return read_request(read_as(Asked, to_json({"input": items})), Memory())


SAID = {"role": "user", "content": "x"}
CALLED = {"type": "function", "id": "c", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": "x"}


@pytest.mark.parametrize("read", [chat, message, response])
@pytest.mark.parametrize(
    ("one", "param", "most"),
    [
        (lambda size: [SAID] * size, "", MAX_MESSAGES),
        (lambda size: [{"role": "user", "content": [{"type": "text", "text": "x"}] * size}], "[0].content", MAX_PARTS),
    ],
    ids=["messages", "parts"],
)
def test_a_conversation_has_bounds_and_costs_its_length(
    read: Callable[[list[dict[str, Any]]], object],
    one: Callable[[int], list[dict[str, Any]]],
    param: str,
    most: int,
) -> None:
    """Promise: messages and their parts are read one by one, up to a bound that is named before any is looked at."""
    assert growth(read, one, most // TIMES) < MOST
    with pytest.raises(InvalidRequest) as caught:
        read(one(most + 1))
    assert caught.value.param == ("input" if read is response else "messages") + param


@pytest.mark.parametrize(
    ("read", "entry", "param"),
    [
        (chat, {"role": "assistant", "tool_calls": [CALLED] * (MAX_PARTS + 1)}, "messages[0].tool_calls"),
        (message, {"role": "user", "content": [RESULT] * (MAX_PARTS + 1)}, "messages[0].content"),
        (message, {"role": "assistant", "content": [RESULT] * (MAX_PARTS + 1)}, "messages[0].content"),
        (response, {"type": "x_output", "call_id": "c", "output": ["x"] * (MAX_PARTS + 1)}, "input[0].output"),
    ],
    ids=["calls", "results", "blocks", "output"],
)
def test_calls_and_results_are_parts_too(
    read: Callable[[list[dict[str, Any]]], object], entry: dict[str, Any], param: str
) -> None:
    """Promise: whatever a message is made of has the same bound."""
    with pytest.raises(InvalidRequest) as caught:
        read([entry])
    assert caught.value.param == param


def foreseen(first: Message, count: int) -> list[str]:
    """The numbers that a client who knows the first message can compute in advance."""
    seed = blake2b(f"{first.role}\0{first.text}".encode(), digest_size=16).digest()
    drawn = (blake2b(seed + attempt.to_bytes(8), digest_size=8).digest() for attempt in range(count))
    return [str(int.from_bytes(number) % 10**12).zfill(12) for number in drawn]


def test_numbers_computed_in_advance_cost_a_few_searches() -> None:
    """Promise: a prompt that holds every number drawn of its first message gets another at once."""
    first = Message("system", "Be brief.")

    def conversation(size: int) -> list[Message]:
        return [first, Message("user", " ".join(foreseen(first, size)))]

    assert growth(render, conversation, 500) < MOST
    assert foreseen(first, 1)[0] in render([first, Message("user", "hi")])
    held = conversation(500)
    prompt = render(held)
    assert prompt.rpartition("\n\n=== ")[2].partition(" ")[0] not in held[1].text


@pytest.mark.parametrize(
    "unit",
    ["x", "x\n", "````think::1\nx\n````\n", "````think::1", "`", "\n", "\n````thin"],
    ids=repr,
)
@pytest.mark.parametrize("splitter", [ReasoningSplitter, CardCutter], ids=["reasoning", "cards"])
def test_markers_in_one_delta_are_passed_one_by_one(splitter: type[ReasoningSplitter | CardCutter], unit: str) -> None:
    """Promise: what is left of a delta is not copied for each marker in it."""
    assert growth(lambda text: splitter().feed(text), lambda size: unit * size, 4000) < MOST


@pytest.mark.parametrize("unit", ["```toolCall::a::b::c\n```\n", "```toolCall::a::b\n", "x\n```toolCall::a\n```\n"])
def test_cards_in_one_delta_are_cut_one_by_one(unit: str) -> None:
    """Promise: a hundred thousand cards cost a hundred thousand times one."""
    assert growth(lambda text: CardCutter().feed(text), lambda size: unit * size, 4000) < MOST


class Shown:
    """A sink that counts what it is shown."""

    def __init__(self) -> None:
        self.thoughts = 0

    def __getattr__(self, name: str) -> Callable[[object], None]:
        return lambda _: None

    def thought(self, text: str) -> None:
        self.thoughts += bool(text)


def answer_to(sink: Shown) -> Answer:
    return Answer(sink, on_card=lambda _: None)


def test_overwrites_do_not_read_all_reasoning_again() -> None:
    """Promise: an overwrite costs its own length, however much was thought before it."""

    def ponder(size: int) -> Answer:
        answer = answer_to(Shown())
        answer.text("<think>")
        for _ in range(size):
            answer.text("hm ")
        answer.text("</think>x")
        return answer

    def overwrite(answer: Answer) -> None:
        for number in range(answer.deltas):
            answer.overwrite(str(number))

    assert growth(overwrite, ponder, 1000) < MOST


def test_an_answer_in_deltas_of_one_letter_is_read_letter_by_letter() -> None:
    """Promise: nothing of what came is looked at again with each delta."""

    def feed(size: int) -> None:
        answer = answer_to(Shown())
        for _ in range(size):
            answer.text("x")

    assert growth(feed, lambda size: size, 4000) < MOST


def test_reasoning_that_alternates_with_text_is_not_multiplied() -> None:
    """Promise: a client is shown so many stretches of reasoning, with events and ids round each, and no more."""
    sink = Shown()
    answer = answer_to(sink)
    for _ in range(10 * MAX_STRETCHES):
        answer.thought("hm")
        answer.text("x")
    assert sink.thoughts == MAX_STRETCHES


def alternating(backlog: Backlog, size: int) -> None:
    for number in range(size):
        backlog.put(ThoughtDelta("a"))
        backlog.put(TextDelta("b"))
        backlog.put(TextReplaced(str(number)))


def test_overwrites_that_wait_are_not_sorted_out_each_time() -> None:
    """Promise: an overwrite of an answer that nobody takes costs the same, however much reasoning waits before it."""
    assert growth(lambda size: alternating(Backlog(), size), lambda size: size, 500) < MOST
    backlog = Backlog()
    alternating(backlog, 3)
    assert backlog.take() == [ThoughtDelta("a")] * 3 + [TextReplaced("2")]


def whole_bodies() -> list[Encoder]:
    response = ResponseObject(id="r", model="m", created=1, facts={})
    return [ResponseBody(response, identity="1", spellings={}), MessageBody(id="m", model="m", thinking=True)]


@pytest.mark.parametrize("which", [0, 1], ids=["responses", "messages"])
def test_overwrites_of_a_whole_answer_are_not_sorted_out_each_time(which: int) -> None:
    """Promise: stretches of reasoning that an overwrite leaves side by side are one from then on."""

    def think(size: int) -> tuple[Encoder, int]:
        encoder = whole_bodies()[which]
        for _ in range(size):
            encoder.thought("a")
            encoder.text("b")
        return encoder, size

    def overwrite(given: tuple[Encoder, int]) -> None:
        encoder, size = given
        for _ in range(size):
            encoder.replaced("c")

    assert growth(overwrite, think, 500) < MOST


def test_the_last_letter_that_fits_is_found_in_one_pass() -> None:
    """Promise: a limit within a long text costs about what its length costs, wherever in it the limit lies."""
    weighed = cost(lambda text: text.encode(), lambda size: "\u00e9" * size, 2_000_000)

    def admit(text: str) -> None:
        assert len(AnswerLimits(stop=(), max_tokens=900_000).feed(text)) == 1_963_636

    assert cost(admit, lambda size: "\u00e9" * size, 2_000_000) < 20 * weighed


def test_the_end_of_a_long_stream_encodes_its_text_once() -> None:
    """Promise: a response's last events, which hold the text four times, cost little more than copying it."""
    text = "hello world\n" * 200_000

    def said(_: int) -> ResponseStream:
        stream = ResponseStream(ResponseObject(id="r", model="m", created=1, facts={}), identity="1", spellings={})
        stream.text(text)
        return stream

    encoded = cost(encode_text, lambda _: text, 1)
    assert cost(lambda stream: stream.finish("stop", Usage(1, 1)), said, 1) < 8 * encoded


def test_a_text_is_not_searched_byte_by_byte_for_what_it_does_not_hold() -> None:
    """Promise: that an event stays on one line costs little beside encoding it, in any alphabet."""
    text = "\u4f60\u597d\uff0c\u4e16\u754c\u3002" * 200_000
    assert cost(encode_text, lambda _: text, 1) < 2 * cost(to_json, lambda _: text, 1)
