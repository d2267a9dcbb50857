"""One fault at a time: five instances under load while some are killed, frozen, signed out or at their limit.

Unlike where everything happens at once, each question whose answer has not begun has to outlive its instance here.
"""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio

from tests.end_to_end.client import Answer, chat
from tests.end_to_end.fleet import Fleet, accounts
from tests.end_to_end.gateway import SERVE, Gateway, started
from tests.end_to_end.upstreams import PROGRAMS

pytestmark = pytest.mark.slow

SIZE = 5
CLIENTS = 15
LIMIT = 40
"""Answers at once that a simulator gives before it says that its limit is reached; more than CLIENTS."""

SHORT = "Say something short.\n#simulate first=0.6 gap=0.02 deltas=6"
STUCK = "Say nothing.\n#simulate fault=stall_first"


@pytest.fixture(scope="module", params=PROGRAMS, ids=str)
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One gateway for all rounds: what one of them leaks, the next ones find."""
    with started(
        tmp_path_factory.mktemp("chaos"),
        SERVE,
        request.param,
        LINGMA_ACCOUNTS=accounts(SIZE),
        GATEWAY_MAX_IN_FLIGHT="0",
        AUTO_LOGIN_ENABLED="false",  # these accounts exist nowhere
        LINGMA_HEARTBEAT_SEC="0.5",
        LINGMA_RPC_TIMEOUT="2",
        LINGMA_SIMULATOR=f"limit={LIMIT}",
    ) as gateway:
        yield Fleet(gateway)


@dataclass
class Load:
    """Clients that ask one short question after another."""

    answers: list[Answer] = field(default_factory=list)
    over: bool = False

    @property
    def failed(self) -> list[Answer]:
        """Answers without a proper end, be it an error in place of a stream or a stream that broke off."""
        return [answer for answer in self.answers if answer.status != 200 or answer.events[-1:] != ["[DONE]"]]

    @property
    def failed_unseen(self) -> list[Answer]:
        """Of those the ones without any text, so that the client had seen nothing yet."""
        return [answer for answer in self.failed if answer.status != 200 or not answer.text]

    @property
    def failed_later(self) -> list[Answer]:
        """The others, which nobody can mend."""
        return [answer for answer in self.failed if answer.status == 200 and answer.text]

    async def go_on(self, gateway: Gateway) -> None:
        """Wait for two answers more for each client, of which most are to questions asked after this call."""
        enough = len(self.answers) + 2 * CLIENTS
        await gateway.until(lambda: len(self.answers) >= enough)


@asynccontextmanager
async def load(port: int) -> AsyncIterator[Load]:
    """Load for the length of the block and until the last question is answered."""
    under_load = Load()

    async def ask() -> None:
        while not under_load.over:
            under_load.answers.append(await chat(port, SHORT))

    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(ask)
        yield under_load
        under_load.over = True


# --- faults ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def killed(fleet: Fleet, victims: list[str]) -> AsyncIterator[None]:
    """Simulators that are gone from one moment to the next."""
    await _signalled(fleet, victims, signal.SIGKILL)
    yield


@asynccontextmanager
async def frozen(fleet: Fleet, victims: list[str]) -> AsyncIterator[None]:
    """Simulators that are there and do nothing any more."""
    fleet.gateway.upstream.needs("signs of life")
    await _signalled(fleet, victims, signal.SIGSTOP)
    yield


async def _signalled(fleet: Fleet, victims: list[str], by: signal.Signals) -> None:
    """Signal simulators, and wait until others are in their place."""
    before = await fleet.of(victims)
    for name in victims:
        fleet.signal(name, by)
    await fleet.until_restarted(before)


@asynccontextmanager
async def signed_out(fleet: Fleet, victims: list[str]) -> AsyncIterator[None]:
    """Simulators whose account somebody signs out, and in again after the block."""
    fleet.gateway.upstream.needs("signing in")
    for name in victims:
        async with fleet.caller(name) as caller:
            await caller.call("auth/logout")
    await fleet.until_state(victims, "needs_login")
    yield
    for name in victims:
        async with fleet.caller(name) as caller:
            link = await caller.call("login/generateUrl")
            callback = {"nonce": link["nonce"], "auth": "fictitious", "tokenString": "fictitious"}
            assert (await caller.call("login/auth_callback", callback))["success"]


@asynccontextmanager
async def exhausted(fleet: Fleet, victims: list[str]) -> AsyncIterator[None]:
    """Simulators whose account is at its limit, because another client has taken all there is."""
    fleet.gateway.upstream.needs("another client")

    async def exhaust(name: str) -> None:
        async with fleet.caller(name) as caller:
            while (await fleet.of([name]))[0]["state"] != "resting":
                for _ in range(LIMIT):
                    await caller.ask(STUCK)

    async with trio.open_nursery() as nursery:
        for name in victims:
            nursery.start_soon(exhaust, name)
    yield


# --- rounds ----------------------------------------------------------------------------------------------------------

Fault = Callable[[Fleet, list[str]], AbstractAsyncContextManager[None]]
ROUNDS = [(fault, count) for fault in (killed, frozen, signed_out, exhausted) for count in (1, 2)]
"""What is exhausted rests for longer than the test waits, so that comes last: two can be asked still, of five."""


@pytest.mark.parametrize(("fault", "count"), ROUNDS, ids=lambda value: getattr(value, "__name__", value))
async def test_question_without_an_answer_yet_outlives_its_instance(fleet: Fleet, fault: Fault, count: int) -> None:
    """While one instance can be asked no question fails before its first delta, and nothing is left over afterwards."""
    usable = SIZE - len(await fleet.resting())
    await fleet.until_ready(usable)
    descriptors = await fleet.descriptors_at_rest()
    moved = len(fleet.lines("turn_moved"))
    async with load(fleet.gateway.port) as under_load:
        await under_load.go_on(fleet.gateway)
        async with fault(fleet, (await fleet.ready())[:count]):
            await under_load.go_on(fleet.gateway)
    assert [answer.body for answer in under_load.failed_unseen] == []
    assert all(answer.error["code"] == "upstream_lost" for answer in under_load.failed_later)
    assert not under_load.failed_later or fault in (killed, frozen)
    # Lingma tells of a sign-out by itself, so that no question need meet it.
    assert len(fleet.lines("turn_moved")) > moved or fault is signed_out
    await fleet.until_ready(SIZE - len(await fleet.resting()))
    await fleet.gateway.until_limiter(in_flight=0)
    assert [instance["turns"] for instance in (await fleet.instances()).values()] == [0] * SIZE
    await fleet.until_as_lean(descriptors, processes=2 * SIZE)


async def test_resting_instances_say_for_how_long(fleet: Fleet) -> None:
    """Those that were at their limit are shown as resting, with the seconds, and the gateway is ready without them."""
    fleet.gateway.upstream.needs("another client")
    report = await fleet.gateway.fetch("/readyz")
    resting = [instance for instance in report.json["instances"] if instance["state"] == "resting"]
    assert (report.status, len(resting)) == (200, 3)
    assert all(re.match(r"rests for \d+ s: ", instance["reason"]) for instance in resting)
