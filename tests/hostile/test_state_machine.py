"""Tenants, instances and faults in any order: nobody waits for what is free, and nobody ends for another's sake."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.errors import ChannelLost, GatewayError, QueueFull, QueueTimeout, QuotaExceeded, RateLimited
from lingma_trio.lingma.health import Asked
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.lives import State
from lingma_trio.lingma.pool import Lease, Pool
from lingma_trio.lingma.seat import Seat, open_seat
from lingma_trio.policy.sequel import Ending, what_follows
from tests.peers import IdleInstance

TENANTS = "abc"
MODELS = {"x": ("one", "both"), "y": ("two", "both"), "z": ("both",)}
FAULTS: list[type[GatewayError]] = [RateLimited, QuotaExceeded, ChannelLost]
DOWN: list[State] = ["backing_off", "backing_off", "needs_login"]
SLOTS, EACH, QUEUE, PATIENCE = 3, 2, 6, 30.0
LONG = 1000 if os.environ.get("LONG_TESTS") else 100

Stage = Literal["waiting", "asking", "served", "failed", "refused", "left"]


@dataclass
class Request:
    """One request, and what became of it."""

    tenant: str
    lease: Lease
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    stage: Stage = "waiting"
    outcome: GatewayError | None = None
    hopeless: bool = False
    end: trio.Event = field(default_factory=trio.Event)
    failure: GatewayError | None = None
    waited: float = 0.0
    moves: int = 0
    returns: int = 0


class Town:
    """A limiter over a pool of instances that answer when they are told to, and whoever asks them."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.instances = [IdleInstance(name, most_turns=EACH) for name in MODELS]
        for instance in self.instances:
            instance.tell_models(*MODELS[instance.name])
            nursery.start_soon(instance.health.watch)
        self.pool = Pool(self.instances)
        self.limiter = Limiter(limit=SLOTS, queue_timeout=PATIENCE, max_queue=QUEUE)
        self.pool.on_change = self.limiter.stir
        self.requests: list[Request] = []
        self.nursery = nursery

    def at(self, stage: Stage) -> list[Request]:
        """The requests that have come so far."""
        return [request for request in self.requests if request.stage == stage]

    def arrive(self, tenant: str, model: str) -> None:
        """Somebody asks."""
        request = Request(tenant, Lease(self.pool, lambda: model, affinity=None))
        self.requests.append(request)
        self.nursery.start_soon(self.serve, request)

    async def serve(self, request: Request) -> None:
        """Be one request, from its arrival to its end."""
        with request.scope:
            try:
                async with open_seat(self.limiter, request.lease, tenant=request.tenant) as seat:
                    while not await self.ask(request, seat):
                        await seat.wait()
            except GatewayError as error:
                request.outcome = error
                request.hopeless = request.lease.expected() > 0
                request.stage = "failed" if error is request.failure else "refused"
            request.waited = trio.current_time()
        if request.scope.cancelled_caught:
            request.stage = "left"

    async def ask(self, request: Request, seat: Seat) -> bool:
        """Ask and wait for what comes of it; returns whether that is the end."""
        instance = seat.instance
        asked, request.stage, request.end = instance.asking(seat.model), "asking", trio.Event()
        await request.end.wait()
        if request.failure is None:
            instance.answered(Asked(asked.model, asked.at))
            request.stage = "served"
            return True
        verdict = instance.failed(request.failure, asked)
        sequel = what_follows(Ending(request.failure, verdict, moves=request.moves, returns=request.returns))
        self.pool.changed()
        if sequel not in {"move", "queue_again"}:
            raise request.failure
        request.moves += sequel == "move"
        request.returns += sequel == "queue_again"
        request.stage = "waiting"
        seat.give_back(without=instance.name if sequel == "move" else "")
        return False

    def check(self) -> None:
        """What is true whenever everybody has done what there was to do."""
        asking, waiting = self.at("asking"), self.at("waiting")
        held = Counter(request.lease.instance.name for request in asking)
        assert all(instance.seats == held[instance.name] <= EACH for instance in self.instances)
        assert (self.limiter.counts.in_flight, self.limiter.counts.queued) == (len(asking), len(waiting))
        for tenant in TENANTS:
            mine = [sum(request.tenant == tenant for request in group) for group in (asking, waiting)]
            assert self.limiter.load(tenant) == tuple(mine)
        if len(asking) < SLOTS:
            assert not [request for request in waiting if self.could_be_served(request)], (
                "nobody waits for what is free"
            )
        for request in self.at("refused"):
            if not isinstance(request.outcome, QueueFull | QueueTimeout):
                assert request.hopeless, "nobody is refused whom an instance could serve"

    def could_be_served(self, request: Request) -> bool:
        """Whether an instance has the model and room, and has not failed this request before."""
        lease = request.lease
        return any(
            instance.standing.fault(lease.model) is None and instance.has_room(lease.model)
            for instance in self.instances
            if lease.model in MODELS[instance.name] and instance.name not in lease.without
        )


async def live(data: st.DataObject, clock: MockClock) -> None:
    """Let things happen, and look after each."""
    async with trio.open_nursery() as nursery:
        town = Town(nursery)
        for _ in range(data.draw(st.integers(20, 60))):
            kinds = ["arrive", "arrive", "change", "pass"]
            kinds += ["answer", "fail"] if town.at("asking") else []
            kinds += ["leave"] if town.at("waiting") or town.at("asking") else []
            match data.draw(st.sampled_from(kinds)):
                case "arrive":
                    town.arrive(data.draw(st.sampled_from(TENANTS)), data.draw(st.sampled_from(["one", "two", "both"])))
                case "answer":
                    request = data.draw(st.sampled_from(town.at("asking")))
                    request.failure = None
                    request.end.set()
                case "fail":
                    request = data.draw(st.sampled_from(town.at("asking")))
                    request.failure = data.draw(st.sampled_from(FAULTS))("it failed")
                    request.end.set()
                case "leave":
                    present = [*town.at("waiting"), *town.at("asking")]
                    data.draw(st.sampled_from(present)).scope.cancel("the client left")
                case "change":
                    instance = data.draw(st.sampled_from(town.instances))
                    down = data.draw(st.sampled_from(DOWN))
                    instance.enter(down if instance.lives.state == "ready" else "ready")
                case "pass":
                    clock.jump(data.draw(st.sampled_from([1.0, 10.0, 31.0])))
            await wait_all_tasks_blocked()
            town.check()
        for request in [*town.at("waiting"), *town.at("asking")]:
            request.scope.cancel("the end")
        await wait_all_tasks_blocked()
        town.check()
        assert (town.limiter.counts.in_flight, town.limiter.counts.queued) == (0, 0)
        nursery.cancel_scope.cancel("the end")


@given(st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=30)
def test_nobody_waits_for_what_is_free(data: st.DataObject) -> None:
    """Whatever tenants, instances and clients do, no place and no room is lost, doubled or kept from whoever waits."""
    clock = MockClock()
    trio.run(live, data, clock, clock=clock)


@given(st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=LONG)
@pytest.mark.slow
def test_nobody_ever_waits_for_what_is_free(data: st.DataObject) -> None:
    """The same, for longer; for long where LONG_TESTS is set, as by `scripts/test --long`."""
    clock = MockClock()
    trio.run(live, data, clock, clock=clock)
