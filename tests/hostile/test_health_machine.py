"""Whatever questions come to and however they end, an account's health starves nobody and blames no model for another.

Drives health and a channel as a gateway does that asks where there is room, against a Lingma that ends turns in any
order and for any reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from lingma_trio.errors import ContentFiltered, QuotaExceeded, RateLimited, UpstreamTimeout
from lingma_trio.lingma.channel import RpcChannel
from lingma_trio.lingma.health import Asked, Health
from lingma_trio.policy.cooldown import FIRST, LONGEST
from tests.peers import Nobody

if TYPE_CHECKING:
    from lingma_trio.errors import GatewayError

MODELS = ("auto", "qwen")
FAILURES: dict[str, GatewayError] = {
    "too many": RateLimited("too many"),
    "not covered": QuotaExceeded("not covered"),
    "silent": UpstreamTimeout("silent"),
    "filtered": ContentFiltered("filtered"),
}
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 1)),
        st.tuples(st.sampled_from(["answer", "leave", *FAILURES]), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(0, 40)),
    ),
    max_size=60,
)


@dataclass
class House:
    """One account, its turns under way, and what has been refused so far."""

    clock: MockClock
    health: Health = field(default_factory=lambda: Health("lingma-0", most=0, on_change=lambda: None))
    channel: RpcChannel = field(
        default_factory=lambda: RpcChannel(rpc_timeout=1, on_push=lambda *_: None, on_error=lambda _: None)
    )
    turns: dict[str, Asked] = field(default_factory=dict)
    asked: int = 0
    not_covered: set[str] = field(default_factory=set)
    too_many: int = 0

    def take(self, what: str, number: int) -> None:
        """One step of the gateway or of Lingma; one that is not possible now is passed over."""
        if what == "wait":
            self.clock.jump(number)
        elif what == "ask":
            self.ask(MODELS[number])
        elif number < len(self.turns):
            self.end(what, list(self.turns)[number])

    def ask(self, model: str) -> None:
        if self.health.rest(model) or not self.health.has_room(self.channel, model):
            return
        self.asked += 1
        key = f"turn-{self.asked}"
        self.turns[key] = Asked(model, trio.current_time(), self.channel.turns)
        self.channel.register(key, Nobody(), model)

    def end(self, what: str, key: str) -> None:
        asked = self.turns.pop(key)
        if what == "answer":
            self.health.answered(asked, under_way=self.channel.turns)
        elif what in FAILURES:
            self.too_many += what == "too many"
            self.not_covered |= {asked.model} if what == "not covered" else set()
            self.health.failed(FAILURES[what], asked)
        self.channel.forget(key, [], [])

    def check(self) -> None:
        """What holds after every step."""
        for model in MODELS:
            rest = self.health.rest(model)
            assert 0 <= rest <= LONGEST
            assert rest == 0 or model in self.not_covered or self.too_many
            if not rest and not self.turns:
                assert self.health.has_room(self.channel, model), "nothing is under way, and nobody may ask"
        assert self.too_many or self.health.rest() == 0
        assert self.health.bound is None or self.health.bound >= 1


@given(steps)
def test_nobody_starves_and_no_model_suffers_for_another(taken: list[tuple[str, int]]) -> None:
    """Where nothing is under way and nothing rests there is room; one model's refusals are no other's."""

    async def run(clock: MockClock) -> None:
        house = House(clock)
        for what, number in taken:
            house.take(what, number)
            house.check()
        await trio.lowlevel.checkpoint()

    clock = MockClock()
    trio.run(run, clock, clock=clock)


@given(st.integers(1, 20), st.lists(st.integers(0, 100), min_size=1, max_size=20))
def test_no_burst_makes_a_second_rest(size: int, gaps: list[int]) -> None:
    """However many questions are asked together and however late they are refused, they are one hit: what follows the
    rest that they make is one of twice its length, and that only after a probe.
    """

    async def run(clock: MockClock) -> None:
        health = Health("lingma-0", most=0, on_change=lambda: None)
        burst = [Asked("auto", 0.0, beside=number) for number in range(size)]
        health.failed(RateLimited("too many"), burst[0])
        for asked, gap in zip(burst[1:], gaps, strict=False):
            clock.jump(gap)
            health.failed(RateLimited("too many"), asked)
            health.failed(QuotaExceeded("not covered"), asked)
            assert health.rest("qwen") <= max(0.0, FIRST - trio.current_time())
        clock.jump(LONGEST)
        assert health.rest() == 0
        health.failed(RateLimited("too many"), Asked("auto", trio.current_time()))
        assert health.rest() == 2 * FIRST
        await trio.lowlevel.checkpoint()

    clock = MockClock()
    trio.run(run, clock, clock=clock)


@given(st.integers(1, 10), st.lists(st.integers(0, 4), min_size=20, max_size=60))
def test_the_bound_finds_what_an_account_takes(limit: int, choices: list[int]) -> None:
    """Where it takes `limit` at once, refusals never teach less, and as many as it takes are asked in the end."""

    async def run(clock: MockClock) -> None:
        house = House(clock)
        for choice in choices:
            house.ask("auto")
            if len(house.turns) > limit:
                house.end("too many", list(house.turns)[-1])
            if house.health.bound is not None:
                assert len(house.turns) <= limit
                assert house.health.bound >= limit
            if choice == 0 and house.turns:
                house.end("answer", next(iter(house.turns)))
            clock.jump(1)
        assert house.health.rest() == 0
        while len(house.turns) < limit:
            before = len(house.turns)
            house.ask("auto")
            assert len(house.turns) == before + 1
        await trio.lowlevel.checkpoint()

    clock = MockClock()
    trio.run(run, clock, clock=clock)
