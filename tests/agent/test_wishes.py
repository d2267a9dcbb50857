"""What gateways ask of instances beside turns is done, and answered, and nothing else is."""

from __future__ import annotations

from itertools import pairwise

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.agent.wishes import MOST_AT_ONCE, MOST_KEY
from lingma_trio.protocol.fleet_messages import FleetState, InstanceReport
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND, ErrorResponse, Notification, Response
from tests.agent.support import GatewayEnd, town

NAME = "one.lingma-0"


async def outcome(gateway: GatewayEnd, method: str, **params: object) -> Response | ErrorResponse:
    """What a wish is answered with, whatever is told meanwhile."""
    number = await gateway.ask(method, **params)
    while True:
        event = await gateway.event()
        if isinstance(event, Response | ErrorResponse) and event.id == number:
            return event


async def told(gateway: GatewayEnd) -> InstanceReport:
    """How the instance stands, by what comes next."""
    method, params = await gateway.pushed()
    assert method == "fleet/state"
    return FleetState.read(params).instances[0]


async def test_draining_and_resuming(autojump_clock: MockClock) -> None:
    """Everybody who listens hears of it at once."""
    async with town() as place:
        one, two = await place.listen(), await place.listen()
        assert not (await told(two)).drained
        assert isinstance(await outcome(one, "instance/drain", name=NAME), Response)
        assert place.instance.standing.drained
        began = trio.current_time()
        while not (await told(two)).drained:
            pass
        assert trio.current_time() - began < 0.2
        await outcome(one, "instance/resume", name=NAME)
        assert not place.instance.standing.drained


async def test_a_rest_that_one_met_with_is_everybodys(autojump_clock: MockClock) -> None:
    """Of a model, or of all; what is no number of seconds, or no key of a model, is none."""
    async with town() as place:
        one, two = await place.listen(), await place.listen()
        await outcome(one, "instance/rest", name=NAME, model="", seconds=30)
        await outcome(one, "instance/rest", name=NAME, model="qwen", seconds=60.0)
        for nonsense in (None, "9", -1, 0):
            await outcome(one, "instance/rest", name=NAME, model="other", seconds=nonsense)
        await outcome(one, "instance/rest", name=NAME, model="x" * (MOST_KEY + 1), seconds=9)
        while len(rests := (await told(two)).rests) < 2:
            pass
        assert {model: round(left) for model, left in rests.items()} == {"": 30, "qwen": 60}


async def test_a_rest_of_another_account_is_passed_over(autojump_clock: MockClock) -> None:
    """A gateway hears a little later who is signed in; an older one does not say whom it means."""
    async with town() as place:
        place.instance.account.name = "another"
        one = await place.listen()
        await outcome(one, "instance/rest", name=NAME, account="one", model="", seconds=30)
        assert place.instance.health.untouched
        await outcome(one, "instance/rest", name=NAME, account="another", model="auto", seconds=30)
        await outcome(one, "instance/rest", name=NAME, model="qwen", seconds=30)
        assert place.instance.health.resting().keys() == {"auto", "qwen"}


async def test_a_restart_is_asked_for(autojump_clock: MockClock) -> None:
    """It is the supervisor's to bring about."""
    async with town() as place:
        one = await place.listen()
        assert isinstance(await outcome(one, "instance/restart", name=NAME), Response)


async def test_signing_in_says_what_is_in_the_way(autojump_clock: MockClock) -> None:
    """An address that no browser ended at, and no bundle where nobody is signed in; the words are for the operator."""
    async with town() as place:
        one = await place.listen()
        place.instance.enter("needs_login")
        refusal = await outcome(one, "login/start", name=NAME, callback="https://example.com/")
        assert isinstance(refusal, ErrorResponse)
        assert "callback" in refusal.message
        assert isinstance(await outcome(one, "login/start", name=NAME, retry=True), Response)
        assert isinstance(await outcome(one, "login/export", name=NAME), ErrorResponse)


async def test_only_what_is_known_is_done(autojump_clock: MockClock) -> None:
    """For an instance that is there."""
    async with town() as place:
        one = await place.listen()
        unknown = await outcome(one, "instance/delete", name=NAME)
        assert isinstance(unknown, ErrorResponse)
        assert unknown.code == METHOD_NOT_FOUND
        nobody = await outcome(one, "instance/drain", name="two.lingma-0")
        assert isinstance(nobody, ErrorResponse)
        await one.tell("instance/drain", name="two.lingma-0")
        await one.tell("instance/discard", name=NAME, life="of-another-time", session="s")
        assert isinstance(await outcome(one, "instance/resume", name=NAME), Response)


async def test_few_things_that_take_time_are_done_at_once(autojump_clock: MockClock) -> None:
    """One gateway cannot have tasks without end."""
    async with town() as place:
        one = await place.listen()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(place.instance.account.begin_life, place.link.channel)
            await place.peer.answer(await place.peer.called("auth/status"), {"status": 1})
        for _ in range(MOST_AT_ONCE):  # each asks Lingma for a link, which does not answer
            await one.ask("login/start", name=NAME)
        await wait_all_tasks_blocked()
        refusal = await outcome(one, "login/start", name=NAME)
        assert isinstance(refusal, ErrorResponse)
        assert refusal.message == "too much is asked at once; try again in a moment"


async def test_every_second_everybody_hears_how_it_stands(autojump_clock: MockClock) -> None:
    """So that silence means that the agent is gone; and a turn is no news unless it fills the instance."""
    async with town(most_turns=2) as place:
        one, gateway = await place.listen(), await place.connect()
        first = FleetState.read((await one.pushed())[1])
        assert (first.agent, first.url, first.instances[0].life) == ("one", "ws://one:8327", place.instance.life)
        times = []
        for _ in range(3):
            event = await one.event()
            assert isinstance(event, Notification)
            times.append(trio.current_time())
        assert [round(later - sooner, 1) for sooner, later in pairwise(times)] == [1.0, 1.0]
        await trio.sleep(0.3)
        await gateway.ask("chat/ask", requestId="a")
        await gateway.ask("chat/ask", requestId="b")
        await told(one)
        assert trio.current_time() - times[-1] < 0.5
