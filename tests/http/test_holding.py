"""What one request holds is counted as it comes, and given back once."""

from __future__ import annotations

import threading

import pytest
import trio
import trio.testing

from lingma_trio.api.pdf_text import PdfFault, pdf_text
from lingma_trio.errors import BytesExceeded
from lingma_trio.http.holding import RETRY_AFTER, Holding
from lingma_trio.policy.byte_budget import ByteBudget
from lingma_trio.threads import LOOP_SIZE
from tests.api.test_pdf_text import HELLO, pdf


def holding_of(budget: ByteBudget, tenant: str, line: trio.Lock | None = None) -> Holding:
    return Holding(budget, tenant, line or trio.Lock())


def test_pieces_add_up_and_are_given_back_once() -> None:
    """However often it is released, a holding gives back what it took."""
    budget = ByteBudget(100)
    other, holding = holding_of(budget, "bob"), holding_of(budget, "ann")
    other.take(10)
    holding.take(20)
    holding.take(15)
    assert (holding.size, budget.held) == (35, 45)
    holding.release()
    holding.release()
    assert (holding.size, budget.held) == (0, 10)


def test_what_does_not_fit_says_when_to_come_again() -> None:
    """The refusal is a 503 that names the wait and the setting; what was held before stays held."""
    budget = ByteBudget(100)
    holding = holding_of(budget, "ann")
    holding.take(50)
    with pytest.raises(BytesExceeded, match="MAX_BYTES_IN_FLIGHT") as refused:
        holding.take(1)
    assert (refused.value.status, refused.value.retry_after) == (503, RETRY_AFTER)
    assert holding.size == budget.held == 50


async def test_one_large_request_of_a_tenant_is_worked_on_at_a_time() -> None:
    """However many large requests one tenant has, another's is worked on at once, and so is a small one of its own."""
    budget, line, released = ByteBudget(100 * LOOP_SIZE), trio.Lock(), threading.Event()
    finished: list[str] = []

    async def work(holding: Holding, function: object, name: str) -> None:
        assert callable(function)
        await holding.work(function)
        finished.append(name)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            large = holding_of(budget, "ann", line)
            large.take(LOOP_SIZE + 1)
            nursery.start_soon(work, large, released.wait, "large")
        await trio.testing.wait_all_tasks_blocked()
        small, other = holding_of(budget, "ann", line), holding_of(budget, "bob")
        small.take(LOOP_SIZE)
        other.take(LOOP_SIZE + 1)
        try:
            await work(small, int, "small")
            await work(other, int, "other")
        finally:
            released.set()
    assert finished == ["small", "other"] + ["large"] * 5


async def test_laborious_work_leaves_the_loop_one_at_a_time() -> None:
    """A small request whose size does not tell its work waits for its tenant's others, and never runs on the loop."""
    budget, line = ByteBudget(100), trio.Lock()
    holding = holding_of(budget, "ann", line)
    holding.take(1)
    assert await holding.work(threading.get_ident) == threading.get_ident()
    holding.laborious = True
    assert await holding.work(threading.get_ident) != threading.get_ident()
    async with line:
        with trio.move_on_after(0) as waiting:
            await holding.work(threading.get_ident)
    assert waiting.cancelled_caught


async def test_files_of_one_request_are_one_work() -> None:
    """What may be read of one is read of all: the thread that does it cannot be stopped, and others wait for it."""
    holding = holding_of(ByteBudget(1000), "ann")
    holding.laborious = True
    long = pdf(HELLO + b" " * 4_000_000)
    assert await holding.work(pdf_text, long) == "[page 1]\nHello"
    with pytest.raises(PdfFault, match="too much work"):
        await holding.work(lambda: [pdf_text(long), pdf_text(long)])
