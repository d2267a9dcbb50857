"""Supervision: lives end for known causes and begin anew after a pause; a bug goes up the tree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NoReturn

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import (
    ChannelLost,
    GatewayError,
    InstanceDown,
    InstanceRefused,
    InstanceWorn,
    ProtocolFault,
    RpcError,
    UpstreamTimeout,
)
from lingma_trio.lingma.supervisor import ON_PURPOSE, Turnover, supervise
from lingma_trio.policy.backoff import Backoff

Life = Callable[[], Awaitable[None]]


class OutOfLives(Exception):
    """Ends a test: the supervisor does not know it."""


@dataclass
class Record:
    """Lives to be led in turn, when each began, and what was told of its end."""

    lives: list[Life]
    began: list[float] = field(default_factory=list)
    ends: list[tuple[Exception, float]] = field(default_factory=list)
    ready_after: float = 0

    async def live(self) -> None:
        self.began.append(trio.current_time())
        if not self.lives:
            raise OutOfLives
        await self.lives.pop(0)()

    def ended(self, cause: Exception, pause: float) -> None:
        self.ends.append((cause, pause))

    def stood(self) -> float:
        """What the last life was of use, if it was ready `ready_after` seconds after it began."""
        return trio.current_time() - self.began[-1] - self.ready_after

    async def run(self) -> list[Exception]:
        """Supervise all lives; returns what was told of their ends."""
        backoff = Backoff(first=1, factor=2, cap=8, stable_after=60, jitter=lambda: 1)
        with pytest.RaisesGroup(OutOfLives):
            await supervise(self.live, backoff, on_end=self.ended, stood=self.stood)
        return [cause for cause, _ in self.ends]


def dying(*causes: Exception, after: float = 0) -> Life:
    """A life whose tasks end in these faults, as a nursery reports them."""

    async def fail(cause: Exception) -> NoReturn:
        await trio.lowlevel.cancel_shielded_checkpoint()
        raise cause

    async def live() -> None:
        await trio.sleep(after)
        async with trio.open_nursery() as nursery:
            for cause in causes:
                nursery.start_soon(fail, cause)

    return live


KNOWN = [
    InstanceDown("ended"),
    ChannelLost("lost"),
    UpstreamTimeout("no answer to a heartbeat"),
    ProtocolFault("no JSON"),
    RpcError("initialize", -32603, "no"),
    ConnectionResetError("reset"),
]


@pytest.mark.parametrize("cause", KNOWN, ids=lambda cause: type(cause).__name__)
async def test_known_cause_leads_to_another_life(cause: Exception, autojump_clock: MockClock) -> None:
    """Each way in which a Lingma may go wrong costs a life and is told as it is."""
    assert await Record([dying(cause)]).run() == [cause]


async def test_cause_may_come_alone_or_deep_in_groups(autojump_clock: MockClock) -> None:
    """How many nurseries a cause passed on its way does not matter."""
    alone, deep = OSError("alone"), ChannelLost("deep")

    async def naked() -> None:
        await trio.lowlevel.checkpoint()
        raise alone

    async def nested() -> None:
        await trio.lowlevel.checkpoint()
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [deep])])

    assert await Record([naked, nested]).run() == [alone, deep]


@pytest.mark.parametrize(
    ("cause", "consequence"),
    [
        (InstanceDown("ended with status 1"), ChannelLost("lost")),
        (ProtocolFault("no JSON"), ChannelLost("lost")),
        (ProtocolFault("no JSON"), InstanceDown("ended with status 141")),
        (UpstreamTimeout("no answer to a heartbeat"), ConnectionResetError("reset")),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_cause_is_told_and_not_its_consequence(
    cause: Exception, consequence: Exception, autojump_clock: MockClock
) -> None:
    """Of faults that come together the one that brought the others about is told, whatever their order."""

    def together(*faults: Exception) -> Life:
        async def live() -> None:
            await trio.lowlevel.checkpoint()
            raise ExceptionGroup("life", list(faults))

        return live

    assert await Record([together(consequence, cause), together(cause, consequence)]).run() == [cause, cause]


async def test_life_that_merely_returns_is_followed_by_another(autojump_clock: MockClock) -> None:
    """A life that ends without a fault is told as one that gave no reason."""

    async def live() -> None:
        await trio.lowlevel.checkpoint()

    (cause,) = await Record([live]).run()
    assert isinstance(cause, InstanceDown)
    assert str(cause) == "ended without a reason"


async def test_cause_may_say_what_the_pause_is(autojump_clock: MockClock) -> None:
    """The longest at once where each start would end alike, none where nothing failed; both begin the series anew."""
    down = InstanceDown("down")
    record = Record(
        [dying(cause) for cause in (down, down, InstanceRefused("refused"), down, InstanceWorn("worn"), down)]
    )
    await record.run()
    assert [pause for _, pause in record.ends] == [1, 2, 8, 1, 0, 1]


async def test_pauses_grow_and_start_again_after_a_stable_life(autojump_clock: MockClock) -> None:
    """Quick failures are spaced wider and wider; a life that lasted begins a new series."""
    quick, stable = dying(ChannelLost("quick")), dying(ChannelLost("stable"), after=60)
    record = Record([quick, quick, quick, stable, quick])
    await record.run()
    assert [pause for _, pause in record.ends] == [1, 2, 4, 1, 2]
    assert record.began == [0, 1, 3, 7, 68, 70]


async def test_start_that_takes_long_to_fail_has_failed(autojump_clock: MockClock) -> None:
    """Pauses grow from failure to failure, however long each start took: only a life that was of use is stable."""
    late = dying(ChannelLost("after a minute of starting"), after=70)
    record = Record([late, late, late], ready_after=70)
    await record.run()
    assert [pause for _, pause in record.ends] == [1, 2, 4]


async def test_end_is_told_before_the_pause(autojump_clock: MockClock) -> None:
    """Who asks during the pause can be told why there is nobody and for how long."""
    told: list[float] = []
    record = Record([dying(ChannelLost("lost"), after=5)])

    def ended(cause: Exception, pause: float) -> None:
        told.append(trio.current_time())

    with pytest.RaisesGroup(OutOfLives):
        await supervise(record.live, Backoff(first=1, jitter=lambda: 1), on_end=ended, stood=record.stood)
    assert told == [5]
    assert record.began == [0, 6]


@pytest.mark.parametrize("company", [[], [ChannelLost("lost")]], ids=["alone", "beside a known cause"])
async def test_bug_escapes(company: list[Exception], autojump_clock: MockClock) -> None:
    """What is no known cause is a bug: it leaves, and no further life begins."""
    bug = KeyError("a bug")
    record = Record([dying(bug, *company)])
    with pytest.RaisesGroup(pytest.RaisesExc(KeyError), flatten_subgroups=True):
        await supervise(record.live, Backoff(), on_end=record.ended, stood=record.stood)
    assert len(record.began) == 1
    assert not record.ends


async def test_fault_of_a_request_is_no_cause(autojump_clock: MockClock) -> None:
    """Only the listed faults are survived, not every fault a client can be told of."""
    record = Record([dying(GatewayError("of a request"))])
    with pytest.RaisesGroup(GatewayError, flatten_subgroups=True):
        await supervise(record.live, Backoff(), on_end=record.ended, stood=record.stood)


@pytest.mark.parametrize("seconds", [5, 10.5], ids=["in a life", "in a pause"])
async def test_cancelling_ends_life_and_pause(seconds: float, autojump_clock: MockClock) -> None:
    """Cancelling takes effect at once, and no further life begins."""
    record = Record([dying(ChannelLost("lost"), after=10), trio.sleep_forever])
    with trio.move_on_after(seconds) as scope:
        await supervise(record.live, Backoff(first=1, jitter=lambda: 1), on_end=record.ended, stood=record.stood)
    assert scope.cancelled_caught
    assert trio.current_time() == seconds
    assert len(record.began) == 1


# --- a next life on purpose ------------------------------------------------------------------------------------------


class Steered(Record):
    """A record whose supervision another task can ask for the next life."""

    turnover: Turnover

    async def run_with(self, *asks: float) -> None:
        """Supervise all lives, and ask for the next one at these times."""
        self.turnover = Turnover()
        async with trio.open_nursery() as nursery:

            async def steer() -> None:
                for moment in asks:
                    await trio.sleep_until(moment)
                    self.turnover.ask("it is wished for")

            nursery.start_soon(steer)
            backoff = Backoff(first=1, factor=2, cap=8, stable_after=60, jitter=lambda: 1)
            await supervise(self.live, backoff, on_end=self.ended, stood=self.stood, turnover=self.turnover)


async def test_life_that_is_asked_to_end_is_followed_at_once(autojump_clock: MockClock) -> None:
    """No pause comes between, what was told says so, and the pauses begin anew."""
    quick = dying(ChannelLost("quick"))
    record = Steered([quick, quick, trio.sleep_forever, quick])
    with pytest.RaisesGroup(OutOfLives, flatten_subgroups=True):
        await record.run_with(10)
    assert record.began == [0, 1, 3, 10, 11]
    assert [(str(cause), pause) for cause, pause in record.ends] == [
        ("quick", 1),
        ("quick", 2),
        (ON_PURPOSE, 0),
        ("quick", 1),
    ]


async def test_pause_that_is_asked_to_end_is_over(autojump_clock: MockClock) -> None:
    """Who has mended what was broken need not wait; no second end is told of the same life."""
    quick = dying(ChannelLost("quick"))
    record = Steered([quick, quick, quick, quick])
    with pytest.RaisesGroup(OutOfLives, flatten_subgroups=True):
        await record.run_with(4)
    assert record.began == [0, 1, 3, 4, 5]
    assert [pause for _, pause in record.ends] == [1, 2, 4, 1]


async def test_life_that_fails_on_its_way_out_was_ended_on_purpose(autojump_clock: MockClock) -> None:
    """What goes wrong while a life lets go is no reason for a pause."""

    async def unwilling() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ChannelLost("on the way out")

    record = Steered([unwilling])
    with pytest.RaisesGroup(OutOfLives, flatten_subgroups=True):
        await record.run_with(5)
    assert record.began == [0, 5]
    assert [str(cause) for cause, _ in record.ends] == [ON_PURPOSE]


async def test_cancelling_beats_the_next_life(autojump_clock: MockClock) -> None:
    """A supervision that is cancelled begins no further life, also where one was asked for at the same moment."""
    record = Steered([trio.sleep_forever, trio.sleep_forever])
    with trio.move_on_after(5) as scope:
        await record.run_with(5)
    assert scope.cancelled_caught
    assert len(record.began) == 1


async def test_turnover_that_is_asked_for_too_early_ends_nothing() -> None:
    """There is neither a life nor a pause that could be ended."""
    await trio.lowlevel.checkpoint()
    turnover = Turnover()
    turnover.ask(ON_PURPOSE)
    with turnover.span() as life:
        pass
    assert not life.cancel_called


async def test_lives_are_named_in_their_order(autojump_clock: MockClock) -> None:
    """So that a tree of tasks tells how many there were."""
    names: list[str] = []

    async def live() -> None:
        await trio.lowlevel.checkpoint()
        names.append(trio.lowlevel.current_task().name)

    await Record([live, live]).run()
    assert names == ["life 1", "life 2"]
