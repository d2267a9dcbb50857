"""The inbox: nothing waits to put, nothing is lost to cancellation, and what waits is bounded by the answer."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from lingma_trio.errors import AnswerTooLong, ChannelLost, UpstreamError
from lingma_trio.lingma.inbox import Inbox
from lingma_trio.turns import AnswerEvent, Finished, TextDelta, TextReplaced, ThoughtDelta

END = Finished("s-1")
Kind: TypeAlias = type[TextDelta | ThoughtDelta | TextReplaced]
KINDS: list[Kind] = [TextDelta, ThoughtDelta, TextReplaced]


async def collect(inbox: Inbox) -> list[AnswerEvent]:
    """Everything up to the end, as one consumer sees it."""
    events: list[AnswerEvent] = []
    while not (events and isinstance(events[-1], Finished)):
        events += await inbox.take()
    return events


async def test_deltas_that_wait_together_are_one() -> None:
    """Deltas that came before anybody took them leave as one event."""
    inbox = Inbox(max_size=100)
    for piece in ("It ", "is ", "green."):
        inbox.put(TextDelta(piece))
    assert await inbox.take() == [TextDelta("It is green.")]


async def test_kinds_keep_their_order() -> None:
    """Reasoning and text are joined among themselves and never across one another."""
    inbox = Inbox(max_size=100)
    inbox.put(ThoughtDelta("hm"))
    inbox.put(ThoughtDelta("m"))
    inbox.put(TextDelta("yes"))
    inbox.put(ThoughtDelta("?"))
    inbox.put(TextDelta("!"))
    inbox.put(END)
    assert await inbox.take() == [ThoughtDelta("hmm"), TextDelta("yes"), ThoughtDelta("?"), TextDelta("!"), END]


async def test_waiting_consumer_gets_each_delta_as_it_comes() -> None:
    """A consumer that keeps up is given every delta by itself."""
    inbox = Inbox(max_size=100)
    taken: list[AnswerEvent] = []

    async def consume() -> None:
        taken.extend(await collect(inbox))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        for piece in ("one", "two", "three"):
            await wait_all_tasks_blocked()
            inbox.put(TextDelta(piece))
        await wait_all_tasks_blocked()
        inbox.put(END)
    assert taken == [TextDelta("one"), TextDelta("two"), TextDelta("three"), END]


async def test_replacement_drops_what_nobody_has_taken() -> None:
    """Text that is void before it was taken is never seen; reasoning stays."""
    inbox = Inbox(max_size=100)
    inbox.put(ThoughtDelta("so"))
    inbox.put(TextDelta("wrong"))
    inbox.put(TextReplaced("also wrong"))
    inbox.put(TextReplaced("right"))
    inbox.put(TextDelta(" and more"))
    assert await inbox.take() == [ThoughtDelta("so"), TextReplaced("right"), TextDelta(" and more")]


async def test_replacement_follows_what_was_taken() -> None:
    """Text that was taken already is voided by an event of its own."""
    inbox = Inbox(max_size=100)
    inbox.put(TextDelta("wrong"))
    assert await inbox.take() == [TextDelta("wrong")]
    inbox.put(TextReplaced(""))
    assert await inbox.take() == [TextReplaced("")]


async def test_failure_comes_after_what_arrived_before_it() -> None:
    """What arrived before a failure is delivered first; the failure is then raised as often as it is asked for."""
    inbox = Inbox(max_size=100)
    inbox.put(TextDelta("half an ans"))
    inbox.fail(ChannelLost("gone"))
    assert inbox.failed
    assert await inbox.take() == [TextDelta("half an ans")]
    for _ in range(2):
        with pytest.raises(ChannelLost, match="gone"):
            await inbox.take()


async def test_first_failure_counts() -> None:
    """A failure that follows another one does not hide it."""
    inbox = Inbox(max_size=100)
    inbox.fail(UpstreamError("the cause"))
    inbox.fail(ChannelLost("the consequence"))
    with pytest.raises(UpstreamError, match="the cause"):
        await inbox.take()


async def test_nothing_fails_after_the_end() -> None:
    """A complete answer stays complete when the channel goes away before it is taken."""
    inbox = Inbox(max_size=100)
    inbox.put(TextDelta("all"))
    inbox.put(END)
    inbox.fail(ChannelLost("gone"))
    assert not inbox.failed
    assert await inbox.take() == [TextDelta("all"), END]


async def test_failure_wakes_the_consumer() -> None:
    """A consumer that waits learns of a failure at once."""
    inbox = Inbox(max_size=100)

    async def consume() -> None:
        with pytest.raises(ChannelLost):
            await inbox.take()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        await wait_all_tasks_blocked()
        inbox.fail(ChannelLost("gone"))


async def test_answer_may_fill_its_bound_exactly() -> None:
    """The bound is the longest answer that is delivered, whatever it is made of."""
    inbox = Inbox(max_size=6)
    inbox.put(TextDelta("ab"))
    inbox.put(ThoughtDelta("cd"))
    inbox.put(TextReplaced("ef"))
    inbox.put(END)
    assert await collect(inbox) == [ThoughtDelta("cd"), TextReplaced("ef"), END]


@pytest.mark.parametrize("kind", KINDS)
async def test_longer_answer_fails_and_frees_its_memory(kind: Kind) -> None:
    """One character over the bound fails the answer, and neither it nor what follows is kept."""
    inbox = Inbox(max_size=6)
    inbox.put(TextDelta("abcdef"))
    inbox.put(kind("g"))
    inbox.put(TextDelta("h" * 1000))
    assert repr(inbox).startswith("<Inbox waiting=0 ")
    with pytest.raises(AnswerTooLong):
        await inbox.take()


async def test_cancelled_take_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """What comes after a consumer gave up waiting is there for its next attempt."""
    inbox = Inbox(max_size=100)
    with trio.move_on_after(1) as patience:
        await inbox.take()
    assert patience.cancelled_caught
    inbox.put(TextDelta("late"))
    assert await inbox.take() == [TextDelta("late")]


async def test_delta_and_cancellation_at_once_lose_nothing() -> None:
    """A delta that arrives in the same moment as the cancellation is taken, by this attempt or by the next."""
    inbox = Inbox(max_size=100)
    taken: list[AnswerEvent] = []

    async def consume() -> None:
        taken.extend(await inbox.take())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        await wait_all_tasks_blocked()
        inbox.put(TextDelta("now"))
        nursery.cancel_scope.cancel("at the same moment")
    if not taken:
        taken += await inbox.take()
    assert taken == [TextDelta("now")]


STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.text(min_size=1, max_size=3), st.booleans()))


def seen(events: list[AnswerEvent]) -> tuple[str, str]:
    """The text and the reasoning a client is left with."""
    text = thought = ""
    for event in events:
        match event:
            case TextDelta(piece):
                text += piece
            case ThoughtDelta(piece):
                thought += piece
            case TextReplaced(piece):
                text = piece
            case Finished():
                pass
    return text, thought


@given(STEPS)
def test_consumer_pace_changes_no_content(steps: list[tuple[Kind, str, bool]]) -> None:
    """However seldom the consumer takes, it ends up with the same text and the same reasoning."""

    async def run(*, eager: bool) -> list[AnswerEvent]:
        inbox = Inbox(max_size=1000)
        events: list[AnswerEvent] = []
        for kind, piece, takes in steps:
            inbox.put(kind(piece))
            if takes or eager:
                events += await inbox.take()
        inbox.put(END)
        return events + await collect(inbox)

    assert seen(trio.run(partial(run, eager=False))) == seen(trio.run(partial(run, eager=True)))
