"""Gateways share a channel: each has its own turns, ids and answers, and leaves nothing behind."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.agent.relay import ALLOWED, MOST_ASKS
from lingma_trio.errors import ProtocolFault
from lingma_trio.lingma.acp.sessions import LAST_WORDS, SWEEP
from lingma_trio.lingma.channel import MOST_UNSENT
from lingma_trio.lingma.writer import MAX_UNSENT
from lingma_trio.protocol.fleet_messages import BUSY, DOUBT, DRAINING, KEPT, LIFE_OVER, TAKEN
from lingma_trio.protocol.framing import frame
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND, ErrorResponse, Notification, Response, ServerRequest
from lingma_trio.protocol.messages import REQUEST_ID
from lingma_trio.protocol.turn_machine import Terms
from tests.agent.direct import DirectGateway
from tests.agent.support import GatewayEnd, Town, town
from tests.lingma.acp.peer import agent_linked
from tests.peers import Link, linked


async def ask(place: Town, gateway: GatewayEnd, key: str) -> tuple[int, ServerRequest]:
    """Put a question; returns its number at the gateway, and what came of it at the Lingma."""
    number = await gateway.ask("chat/ask", requestId=key, sessionId="", questionText="hello")
    return number, await place.peer.called("chat/ask")


async def prompt(place: Town, gateway: GatewayEnd, key: str, session: str) -> tuple[int, ServerRequest]:
    """The same in the other dialect."""
    number = await gateway.ask("session/prompt", sessionId=session, prompt=[], _meta={REQUEST_ID: key})
    return number, await place.peer.called("session/prompt")


async def told_nothing(gateway: GatewayEnd) -> bool:
    """Whether nothing comes any more."""
    with trio.move_on_after(0.2) as scope:
        await gateway.event()
    return scope.cancelled_caught


async def test_each_gateway_has_what_its_own_turn_said(autojump_clock: MockClock) -> None:
    """Two ask under the same number of theirs, and hear their own answer and pushes alone."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        first, at_lingma = await ask(place, one, "a")
        second, also_there = await ask(place, two, "b")
        assert first == second
        assert at_lingma.id != also_there.id
        assert at_lingma.params["questionText"] == "hello"

        await place.peer.text(also_there, "of b")
        await place.peer.answer(at_lingma, {"ok": "a"})
        await place.peer.finish(at_lingma)
        await place.peer.answer(also_there, {"ok": "b"})

        assert await one.answered(first) == {"ok": "a"}
        method, params = await one.pushed()
        assert (method, params["requestId"]) == ("chat/finish", "a")
        assert await two.pushed() == ("chat/answer", {"requestId": "b", "sessionId": "s-1", "text": "of b"})
        assert await two.answered(second) == {"ok": "b"}
        assert (place.hosted.turns, place.link.channel.turns) == (1, 1)


async def test_a_push_that_names_only_the_session_finds_its_turn(autojump_clock: MockClock) -> None:
    """The session is learned from the pushes before it, and so are the calls."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        _, at_lingma = await ask(place, one, "a")
        await ask(place, two, "b")
        await place.peer.text(at_lingma, "x", session_id="s-a")
        await place.peer.push("tool/call/sync", sessionId="s-a", toolCallId="c-1", status="PENDING")
        await place.peer.push("tool/call/sync", toolCallId="c-1", status="FINISHED")

        assert [(await one.pushed())[0] for _ in range(3)] == ["chat/answer", "tool/call/sync", "tool/call/sync"]
        assert await told_nothing(two)


async def test_the_gateway_answers_what_upstream_asks_of_its_turn(autojump_clock: MockClock) -> None:
    """Under upstream's own id, which two gateways may get at a time; and it is not told a second time."""
    async with town() as place:
        one = await place.connect()
        await ask(place, one, "a")
        number = await place.peer.push_with_id("tool/invoke", requestId="a", toolCallId="c-1", name="read")
        asked = await one.event()
        assert isinstance(asked, ServerRequest)
        assert asked.params == {"requestId": "a", "toolCallId": "c-1", "name": "read"}
        await one.socket.send_message(one.rpc.answer(asked.id, {"taken": True}).decode())

        assert await place.peer.event() == Response(number, {"taken": True})
        assert await told_nothing(one)


async def test_what_upstream_asks_of_a_gateway_that_leaves_is_answered(autojump_clock: MockClock) -> None:
    """As if it were nobody's: Lingma would wait two minutes for it. And the turn is stopped."""
    async with town() as place:
        one = await place.connect()
        await ask(place, one, "a")
        number = await place.peer.push_with_id("tool/invoke", requestId="a", toolCallId="c-1", name="read")
        await one.event()
        await one.socket.aclose()

        assert (await place.peer.called("chat/stop")).params["requestId"] == "a"
        answer = await place.peer.event()
        assert isinstance(answer, Response)
        assert answer.id == number


async def test_a_gateway_that_leaves_while_upstream_reads_nothing_ends_alone(autojump_clock: MockClock) -> None:
    """What it owes is answered by nobody then, and the agent goes on for the others."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        await ask(place, one, "a")
        await place.peer.push_with_id("tool/invoke", requestId="a", toolCallId="c-1", name="read")
        await one.event()
        place.link.channel.writer.size += MOST_UNSENT + 1
        await one.socket.aclose()
        await wait_all_tasks_blocked()
        place.link.channel.writer.size = 0

        assert (await place.peer.called("chat/stop")).params["requestId"] == "a"
        await ask(place, two, "b")
        assert repr(place.hosted) == "<Hosted one stopping=False lines=1 turns=1>"


async def test_a_gateway_that_leaves_has_its_turns_stopped_and_no_other(autojump_clock: MockClock) -> None:
    """In the session that they have by then; nothing is left of it on the channel."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        _, at_lingma = await ask(place, one, "a")
        await ask(place, one, "c")
        _, others = await ask(place, two, "b")
        await place.peer.text(at_lingma, "x", session_id="s-a")
        await one.pushed()
        await trio.aclose_forcefully(one.stream)

        stops = [await place.peer.called("chat/stop") for _ in range(2)]
        assert [stop.params for stop in stops] == [{"requestId": "a", "sessionId": "s-a"}, {"requestId": "c"}]
        await wait_all_tasks_blocked()
        assert place.hosted.turns == 1
        await place.peer.answer(others, {})
        await place.peer.finish(others)
        await two.event()
        assert (await two.pushed())[0] == "chat/finish"
        await wait_all_tasks_blocked()
        assert repr(place.link.channel) == "<RpcChannel open calls=0 asks=0 turns=0 unsent=0>"


async def test_what_follows_the_end_that_it_was_read_with_is_nobodys(autojump_clock: MockClock) -> None:
    """Text that comes in one read with the end, and behind it, is no part of the turn."""
    async with town() as place:
        one = await place.connect()
        await ask(place, one, "a")
        about = {"requestId": "a", "sessionId": "s-1"}
        text, end = {**about, "text": "1"}, {**about, "statusCode": 200}
        said = [("chat/answer", text), ("chat/finish", end), ("chat/answer", text)]
        await place.peer.send(b"".join(place.peer.rpc.notify(method, params) for method, params in said))
        assert [(await one.pushed())[0] for _ in range(2)] == ["chat/answer", "chat/finish"]
        assert await told_nothing(one)
        assert place.link.channel.turns == 0


async def test_a_stop_ends_the_turn_and_may_come_once_it_is_over(autojump_clock: MockClock) -> None:
    """But a gateway cannot stop another one's."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        await ask(place, one, "a")
        await two.ask("chat/stop", requestId="a")
        await wait_all_tasks_blocked()
        assert place.hosted.turns == 1
        await one.ask("chat/stop", requestId="a")
        assert (await place.peer.called("chat/stop")).params == {"requestId": "a"}
        assert place.hosted.turns == 0
        await one.ask("chat/stop", requestId="a")
        await place.peer.called("chat/stop")


async def test_no_more_turns_than_the_instance_may_have(autojump_clock: MockClock) -> None:
    """Whoever asks: one more is refused as busy, at once, and taken once there is room."""
    async with town(most_turns=2) as place:
        one, two = await place.connect(), await place.connect()
        _, at_lingma = await ask(place, one, "a")
        await ask(place, two, "b")
        assert await two.refused(await two.ask("chat/ask", requestId="c")) == BUSY
        await place.peer.finish(at_lingma)
        await one.pushed()
        await ask(place, two, "c")
        assert place.hosted.refused == {"busy": 1}


@pytest.mark.parametrize("why", ["drained", "stopping"])
async def test_one_that_drains_begins_no_turn(autojump_clock: MockClock, why: str) -> None:
    """What is under way goes on."""
    async with town() as place:
        one = await place.connect()
        _, at_lingma = await ask(place, one, "a")
        if why == "drained":
            place.instance.standing.drain()
        else:
            place.hosted.stop()
        assert await one.refused(await one.ask("chat/ask", requestId="c")) == DRAINING
        await place.peer.finish(at_lingma)
        assert (await one.pushed())[0] == "chat/finish"


async def test_a_key_of_another_turn_is_refused(autojump_clock: MockClock) -> None:
    """It would get that one's pushes."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        await ask(place, one, "a")
        assert await two.refused(await two.ask("chat/ask", requestId="a")) == TAKEN
        assert await two.refused(await two.ask("chat/ask", requestId="")) == TAKEN


async def test_a_session_in_which_another_gateway_asks_is_refused(autojump_clock: MockClock) -> None:
    """As long as its turn goes on: what is said of that names the session alone, and goes to who asked."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        _, at_lingma = await ask(place, one, "a")
        await place.peer.text(at_lingma, "x", session_id="s-a")
        await one.pushed()
        for method in ("chat/ask", "session/prompt", "session/set_model"):
            number = await two.ask(method, requestId="b", sessionId="s-a", _meta={REQUEST_ID: "b"})
            assert await two.refused(number) == TAKEN
        await place.peer.push("tool/call/sync", sessionId="s-a", toolCallId="c-1", status="PENDING")
        assert (await one.pushed())[0] == "tool/call/sync"
        assert await told_nothing(two)

        await place.peer.finish(at_lingma)
        await one.pushed()
        await two.ask("chat/ask", requestId="b", sessionId="s-a", questionText="more")
        further = await place.peer.called("chat/ask")
        await place.peer.push("tool/call/sync", sessionId="s-a", toolCallId="c-2", status="PENDING")
        assert (await two.pushed())[0] == "tool/call/sync"
        await place.peer.finish(further)


async def test_a_picture_for_a_question_of_another_gateway_is_refused(autojump_clock: MockClock) -> None:
    """What is said of it would go to who sent the picture last. Its own question has as many as it likes."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        for _ in range(2):
            await one.ask("image/upload", requestId="a")
            await place.peer.called("image/upload")
        assert await two.refused(await two.ask("image/upload", requestId="a")) == TAKEN
        await place.peer.push("image/uploadResultNotification", requestId="a")
        assert (await one.pushed())[0] == "image/uploadResultNotification"
        assert await told_nothing(two)


@pytest.mark.parametrize("method", ["auth/logout", "config/queryModels", "session/close"])
async def test_a_gateway_asks_turns_and_nothing_else(autojump_clock: MockClock, method: str) -> None:
    """The account is the agent's; whether it is signed in may be asked."""
    async with town() as place:
        one = await place.connect()
        assert await one.refused(await one.ask(method)) == METHOD_NOT_FOUND
        number = await one.ask("auth/status")
        await place.peer.answer(await place.peer.called("auth/status"), {"status": 2})
        assert await one.answered(number) == {"status": 2}


async def test_an_error_that_names_nobody_is_the_only_turns(autojump_clock: MockClock) -> None:
    """And is told with its name, so that the gateway need not guess."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        await ask(place, one, "a")
        await place.peer.push("error", message="too bad")
        assert await one.pushed() == ("error", {"message": "too bad", "requestId": "a"})
        assert await told_nothing(two)


async def test_an_error_that_may_be_anybodys_is_told_as_doubted(autojump_clock: MockClock) -> None:
    """To each turn, whoever's it is."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        await ask(place, one, "a")
        await ask(place, two, "b")
        await place.peer.push("error", message="too bad")
        for gateway, key in ((one, "a"), (two, "b")):
            assert await gateway.pushed() == (DOUBT, {"turn": key, "error": {"message": "too bad"}})


async def test_a_refused_question_is_no_turn(autojump_clock: MockClock) -> None:
    """In both ways of an error, which come to the gateway with all they say."""
    async with town() as place:
        one = await place.connect()
        _, at_lingma = await ask(place, one, "a")
        await place.peer.send(place.peer.rpc.refuse(at_lingma.id, -32001, "no", "because"))
        event = await one.event()
        assert isinstance(event, ErrorResponse)
        assert (event.code, event.message, event.data) == (-32001, "no", "because")
        number, at_lingma = await ask(place, one, "b")
        await place.peer.answer(at_lingma, {"success": False, "errorMsg": "quota"})
        assert await one.refused(number) == 0
        assert place.hosted.turns == 0


async def test_a_dialect_that_is_not_known_changes_the_terms_for_all(autojump_clock: MockClock) -> None:
    """What one gateway learns, others need not."""
    async with town() as place:
        place.link.channel.terms = Terms("chat", changes=2)
        one = await place.connect()
        _, at_lingma = await ask(place, one, "a")
        await place.peer.send(place.peer.rpc.refuse(at_lingma.id, METHOD_NOT_FOUND, "no such method"))
        await one.event()
        assert place.link.channel.terms == Terms("session", changes=1)


@pytest.mark.parametrize("first", ["answer", "update"])
async def test_a_prompt_is_over_with_whichever_end_comes_first(autojump_clock: MockClock, first: str) -> None:
    """In the dialect of sessions; what still comes of it is its gateway's all the same."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        number, at_lingma = await prompt(place, one, "a", "s-1")
        await prompt(place, two, "b", "s-2")
        finish = {"sessionUpdate": "notification", "type": "chat_finish"}
        if first == "answer":
            await place.peer.answer(at_lingma, {"stopReason": "end_turn"})
            assert await one.answered(number) == {"stopReason": "end_turn"}
            assert place.hosted.turns == 1
        await place.peer.push("session/update", sessionId="s-1", update=finish)
        assert (await one.pushed())[0] == "session/update"
        assert place.hosted.turns == 1
        assert await told_nothing(two)


async def test_pictures_go_up_before_the_question(autojump_clock: MockClock) -> None:
    """What is reported of an upload finds its gateway before there is a turn."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        await two.ask("image/upload", imageUri="data:", requestId="b-1")
        await place.peer.called("image/upload")
        number = await one.ask("image/upload", imageUri="data:", requestId="a-1")
        await place.peer.answer(await place.peer.called("image/upload"), {})
        assert await one.answered(number) == {}
        report: dict[str, Any] = {"requestId": "a-1", "imageUrl": "https://example.com/1"}
        await place.peer.push("image/uploadResultNotification", result=report)
        assert await one.pushed() == ("image/uploadResultNotification", {"result": report})
        assert place.hosted.turns == 0
        assert await told_nothing(two)


async def test_no_more_waits_for_upstream_than_is_bounded(autojump_clock: MockClock) -> None:
    """Of pictures and sessions neither, which are no turns: neither bytes for one that does not read, nor requests."""
    async with linked() as link:
        one = DirectGateway(link.channel)
        link.channel.writer.size += MAX_UNSENT + 1
        for method in ("image/upload", "session/new", "chat/ask"):
            one.ask(method, requestId=method)
        assert [event.code for event in one.take() if isinstance(event, ErrorResponse)] == [BUSY] * 3
        link.channel.writer.size -= MAX_UNSENT + 1
        for _ in range(MOST_ASKS + 1):
            one.ask("auth/status")
        assert [event.code for event in one.take() if isinstance(event, ErrorResponse)] == [BUSY]
        one.relay.close()


async def test_a_life_that_ends_closes_the_connection_of_every_gateway(autojump_clock: MockClock) -> None:
    """Those with turns, and one without any, with the code that says so."""
    async with town() as place:
        gateways = [await place.connect() for _ in range(3)]
        idle = await place.connect()
        for key, gateway in enumerate(gateways):
            await ask(place, gateway, str(key))
        await place.link.vanish()
        place.instance.lives.present.channel = None
        assert [await gateway.closed() for gateway in (*gateways, idle)] == [LIFE_OVER] * 4


@pytest.mark.parametrize("path", ["/instance/one.lingma-0/of-another-time", "/instance/two.lingma-0/x"])
async def test_an_unknown_life_is_over(autojump_clock: MockClock, path: str) -> None:
    """So a gateway that has not heard of its end yet learns it in the same way."""
    async with town() as place:
        gateway = await place.connect(path)
        assert await gateway.closed() == LIFE_OVER


async def test_pushes_about_the_account_stay_here(autojump_clock: MockClock) -> None:
    """They name no turn; gateways are told what came of them."""
    async with town() as place:
        one = await place.connect()
        await ask(place, one, "a")
        await place.peer.push("auth/report", name="somebody")
        assert await told_nothing(one)
        assert [method for method, _ in place.link.pushes] == ["auth/report"]


# --- agents over ACP -------------------------------------------------------------------------------------------------


async def test_a_session_that_is_there_is_given_at_once(autojump_clock: MockClock) -> None:
    """As the agent offered it: models, modes and all; the next one is made, after whoever waits longer."""
    async with agent_linked(spare="S0") as link:
        one, two = DirectGateway(link.channel), DirectGateway(link.channel)
        first, second = one.ask("session/new", cwd="/", mcpServers=[]), two.ask("session/new", cwd="/", mcpServers=[])
        (event,) = one.take()
        assert isinstance(event, Response)
        assert (event.id, event.result["sessionId"]) == (first, "S0")
        await link.peer.answer(await link.peer.called("session/new"), {"sessionId": "S1"})
        await wait_all_tasks_blocked()
        assert two.take() == [Response(second, {"sessionId": "S1"})]


async def test_a_prompt_of_acp_is_a_turn_until_it_is_answered(autojump_clock: MockClock) -> None:
    """What is pushed names its session alone, and is its gateway's."""
    async with agent_linked(spare="S0") as link:
        one, two = DirectGateway(link.channel), DirectGateway(link.channel)
        one.ask("session/new")
        one.take()
        number = one.ask("session/prompt", sessionId="S0", prompt=[])
        prompt = await link.peer.called("session/prompt")
        assert two.ask("session/prompt", sessionId="S0", prompt=[])
        assert [event.code for event in two.take() if isinstance(event, ErrorResponse)] == [TAKEN]
        await link.peer.say("S0", "hello")
        await link.peer.answer(prompt, {"stopReason": "end_turn"})
        await wait_all_tasks_blocked()
        said, answer = one.take()
        assert isinstance(said, Notification)
        assert said.params["sessionId"] == "S0"
        assert answer == Response(number, {"stopReason": "end_turn"})
        assert (one.relay.turns, link.channel.turns, two.take()) == (0, 0, [])


@pytest.mark.parametrize("seconds", [100, -1, 0, None, "100", [], 10**400], ids=lambda seconds: f"{seconds}"[:4])
async def test_a_gateway_tells_how_long_it_goes_on_with_sessions(autojump_clock: MockClock, seconds: object) -> None:
    """One in which nobody asked for longer is closed, whose gateway may be gone; what is no time tells nothing."""
    async with agent_linked() as link:
        one, two = DirectGateway(link.channel), DirectGateway(link.channel)
        one.tell(KEPT, seconds=seconds)
        one.ask("session/new")
        await link.peer.open("S0")
        await wait_all_tasks_blocked()
        for gateway in (one, two):
            gateway.ask("session/prompt", sessionId="S0", prompt=[])
            await link.peer.answer(await link.peer.called("session/prompt"), {"stopReason": "end_turn"})
            await trio.sleep(LAST_WORDS + 99)
            assert await link.peer.silent()
        await trio.sleep(2 * SWEEP)
        if seconds == 100:
            assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}
        assert await link.peer.silent()


@pytest.mark.parametrize("how", ["cancelled", "gone"])
async def test_a_prompt_that_is_left_is_seen_to_here(autojump_clock: MockClock, how: str) -> None:
    """It is cancelled, and its session is closed once the agent obeys, whoever has left it and however."""
    async with agent_linked(spare="S0") as link:
        one = DirectGateway(link.channel)
        one.ask("session/new")
        one.ask("session/prompt", sessionId="S0", prompt=[])
        prompt = await link.peer.called("session/prompt")
        if how == "cancelled":
            one.tell("session/cancel", sessionId="S0")
        else:
            one.relay.close()
        assert (await link.peer.told("session/cancel")).params == {"sessionId": "S0"}
        assert link.channel.turns == 0
        one.take()
        await link.peer.answer(prompt, {"stopReason": "cancelled"})
        assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}
        assert one.take() == []


async def test_whoever_waits_for_a_session_and_leaves_waits_no_longer(autojump_clock: MockClock) -> None:
    """The session that is made for nobody is the next one's."""
    async with agent_linked() as link:
        one, two = DirectGateway(link.channel), DirectGateway(link.channel)
        one.ask("session/new")
        made = await link.peer.called("session/new")
        one.relay.close()
        await link.peer.answer(made, {"sessionId": "S1"})
        await wait_all_tasks_blocked()
        number = two.ask("session/new")
        assert two.take() == [Response(number, {"sessionId": "S1"})]
        assert one.take() == []


@pytest.mark.parametrize("spare", ["S0", ""], ids=["was_there", "made"])
async def test_a_session_of_a_gateway_that_leaves_before_it_asks_is_closed(
    autojump_clock: MockClock, spare: str
) -> None:
    """Nobody else knows of it; one that was asked in goes on at another gateway."""
    async with agent_linked(spare=spare) as link:
        one = DirectGateway(link.channel)
        one.ask("session/new")
        if spare:
            one.ask("session/new")
        await link.peer.answer(await link.peer.called("session/new"), {"sessionId": "S1"})
        if not spare:
            one.ask("session/new")
            await link.peer.answer(await link.peer.called("session/new"), {"sessionId": "S0"})
        await wait_all_tasks_blocked()
        one.ask("session/prompt", sessionId="S1", prompt=[])
        await link.peer.answer(await link.peer.called("session/prompt"), {"stopReason": "end_turn"})
        await wait_all_tasks_blocked()
        one.relay.close()
        assert (await link.peer.called("session/close")).params == {"sessionId": "S0"}
        await wait_all_tasks_blocked()
        assert repr(link.channel.sessions) == "<AgentSessions left=0 <SessionMaker open=1 seekers=0 spare=False>>"


# --- whatever comes in whatever order --------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "delta", "delta", "invoke", "reply", "answer", "finish", "stop", "leave"]),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(steps)
@settings(max_examples=60, deadline=None)
def test_nothing_goes_astray_in_any_order(script: list[tuple[str, int, int]]) -> None:
    """Three gateways: each hears of its turns what was said of them, in order, and of no other; nothing is left."""
    trio.run(partial(play, script), clock=MockClock(autojump_threshold=0))


class Play:
    """Three gateways, what they have under way, and what was said to each and heard by it."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.gateways = [DirectGateway(link.channel) for _ in range(3)]
        self.questions: dict[str, ServerRequest] = {}
        self.said: list[list[str]] = [[] for _ in self.gateways]
        self.heard: list[list[str]] = [[] for _ in self.gateways]
        self.invoked: list[list[ServerRequest]] = [[] for _ in self.gateways]

    async def step(self, what: str, place: int, key: str, count: int) -> None:
        """Do one thing, where it can be done."""
        if what == "ask" and key not in self.questions:
            self.gateways[place].ask("chat/ask", requestId=key)
            self.questions[key] = await self.link.peer.called("chat/ask")
        elif what == "leave":
            await self.leave(place)
        elif what == "reply" and self.invoked[place]:
            gateway = self.gateways[place]
            gateway.relay.hear(gateway.rpc.answer(self.invoked[place].pop().id, place))
            answer = await self.link.peer.event()
            assert isinstance(answer, Response)
            assert answer.result == place
        elif what == "stop" and key in self.questions:
            self.gateways[place].ask("chat/stop", requestId=key)
            await self.link.peer.called("chat/stop")
            del self.questions[key]
        elif key in self.questions:
            await self.tell(what, place, key, count)

    async def leave(self, place: int) -> None:
        """Have a gateway go, and another one come in its place."""
        self.gateways[place].relay.close()
        for key in [key for key in self.questions if key.startswith(f"{place}-")]:
            await self.link.peer.called("chat/stop")
            del self.questions[key]
        for _ in self.invoked[place]:
            assert isinstance(await self.link.peer.event(), Response)
        self.invoked[place].clear()
        self.gateways[place] = DirectGateway(self.link.channel)

    async def tell(self, what: str, place: int, key: str, count: int) -> None:
        """Have Lingma say something of a turn."""
        peer, session = self.link.peer, f"s-{key}"
        if what == "answer":
            await peer.answer(self.questions[key], {})
        elif what == "delta":
            await peer.text(self.questions[key], str(count), session_id=session)
            self.said[place].append(str(count))
        elif what == "invoke":
            await peer.push_with_id("tool/invoke", sessionId=session, requestId=key)
        elif what == "finish":
            await peer.finish(self.questions.pop(key), session_id=session)

    def look(self) -> None:
        """Take what came."""
        for number, gateway in enumerate(self.gateways):
            for event in gateway.take():
                if isinstance(event, ServerRequest):
                    self.invoked[number].append(event)
                elif isinstance(event, Notification) and event.method == "chat/answer":
                    self.heard[number].append(event.params["text"])
                    assert event.params["requestId"].startswith(f"{number}-")


async def play(script: list[tuple[str, int, int]]) -> None:
    """Play it, and look at everybody's account of it."""
    async with linked() as link:
        playing = Play(link)
        for count, (what, place, slot) in enumerate(script):
            await playing.step(what, place, f"{place}-{slot}", count)
            await wait_all_tasks_blocked()
            playing.look()
        assert playing.heard == playing.said
        assert link.channel.turns == len(playing.questions)
        for gateway in playing.gateways:
            gateway.relay.close()
        assert repr(link.channel).startswith("<RpcChannel open calls=0 asks=0 turns=0")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["requestId", "sessionId", "_meta", "extra", "modelConfig", "key", "update", "toolCallId", REQUEST_ID]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
odd = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "params": junk},
    optional={
        "id": st.integers(0, 3) | st.text(max_size=2),
        "method": st.sampled_from([*sorted(ALLOWED), "other"]),
        "result": junk,
        "error": junk,
    },
)


@given(st.lists(odd, max_size=12), st.booleans())
@settings(max_examples=150, deadline=None)
def test_nothing_that_a_gateway_says_ends_more_than_its_connection(said: list[object], acp: bool) -> None:
    """Whatever its messages hold; and nothing of it is left once it is gone."""
    trio.run(partial(say, said, acp), clock=MockClock(autojump_threshold=0))


async def say(said: list[object], acp: bool) -> None:
    """Say it all to a relay."""
    async with agent_linked() if acp else linked() as link:
        one = DirectGateway(link.channel)
        with suppress(ProtocolFault):
            for message in said:
                one.relay.hear(frame(to_json(message)))
        one.relay.close()
        assert link.channel.turns == 0
        assert repr(one.relay).startswith("<Relay <GatewaySide owed=0> <Holdings turns=0 asks=0 ")
