"""What a client sends, and what Lingma answers, costs in proportion to its length: eight times as much, eight times it.

Measured is processor time, the least of several runs. Linear work grows eightfold and some noise, work with the square
of the length by 64.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from hashlib import blake2b
from typing import TypeVar

from lingma_trio.api.responses.items import read_items
from lingma_trio.policy.fingerprint import answer_digest
from lingma_trio.policy.transcript import render
from lingma_trio.turns import Message
from tests.hostile.steps import processor_time

T = TypeVar("T")

TIMES = 8
MOST = 20.0
"""How much eight times the size may cost: between 8 and 64, about as far from either."""
RUNS = 4
FLOOR = 0.0005
"""Seconds below which a measure is noise."""


def cost(run: Callable[[T], object], make: Callable[[int], T], size: int) -> float:
    """The least processor time, in seconds, that `run` takes with what `make` makes of that size."""
    spent = []
    for _ in range(RUNS):
        given = make(size)
        gc.collect()
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


def test_an_answers_digest_takes_as_long_as_reading_it() -> None:
    """Promise: the digest of an answer of ASCII costs no more than a few copies of it."""
    text = "def f(x): return x + 1\n" * 100_000
    copied = cost(lambda given: given.casefold().encode(), lambda size: text * size, 1)
    assert cost(answer_digest, lambda size: text * size, 1) < 10 * copied
    assert answer_digest("One, **two**_three_!") == answer_digest("one two three") != answer_digest("one two thre")
