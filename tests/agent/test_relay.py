"""Gateways share a channel: each has its own turns, ids and answers, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lingma_trio.protocol.fleet_messages import BUSY, DOUBT, DRAINING, LIFE_OVER
from lingma_trio.protocol.jsonrpc import METHOD_NOT_FOUND, ErrorResponse, Response, ServerRequest
from lingma_trio.protocol.messages import REQUEST_ID
from lingma_trio.protocol.turn_machine import Terms
from tests.agent.support import GatewayEnd, Town, town

pytestmark = pytest.mark.usefixtures("autojump_clock")


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


async def test_each_gateway_has_what_its_own_turn_said() -> None:
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


async def test_a_push_that_names_only_the_session_finds_its_turn() -> None:
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


async def test_the_gateway_answers_what_upstream_asks_of_its_turn() -> None:
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


async def test_what_upstream_asks_of_a_gateway_that_leaves_is_answered() -> None:
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


async def test_a_gateway_that_leaves_has_its_turns_stopped_and_no_other() -> None:
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


async def test_a_stop_ends_the_turn_and_may_come_once_it_is_over() -> None:
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


async def test_no_more_turns_than_the_instance_may_have() -> None:
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
async def test_one_that_drains_begins_no_turn(why: str) -> None:
    """What is under way goes on."""
    async with town() as place:
        one = await place.connect()
        _, at_lingma = await ask(place, one, "a")
        if why == "drained":
            place.instance.drain()
        else:
            place.hosted.stop()
        assert await one.refused(await one.ask("chat/ask", requestId="c")) == DRAINING
        await place.peer.finish(at_lingma)
        assert (await one.pushed())[0] == "chat/finish"


async def test_a_key_of_another_turn_is_refused() -> None:
    """It would get that one's pushes."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        await ask(place, one, "a")
        assert await two.refused(await two.ask("chat/ask", requestId="a")) == BUSY
        assert await two.refused(await two.ask("chat/ask", requestId="")) == BUSY


@pytest.mark.parametrize("method", ["auth/logout", "config/queryModels", "session/close"])
async def test_a_gateway_asks_turns_and_nothing_else(method: str) -> None:
    """The account is the agent's; whether it is signed in may be asked."""
    async with town() as place:
        one = await place.connect()
        assert await one.refused(await one.ask(method)) == METHOD_NOT_FOUND
        number = await one.ask("auth/status")
        await place.peer.answer(await place.peer.called("auth/status"), {"status": 2})
        assert await one.answered(number) == {"status": 2}


async def test_an_error_that_names_nobody_is_the_only_turns() -> None:
    """And is told with its name, so that the gateway need not guess."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        await ask(place, one, "a")
        await place.peer.push("error", message="too bad")
        assert await one.pushed() == ("error", {"message": "too bad", "requestId": "a"})
        assert await told_nothing(two)


async def test_an_error_that_may_be_anybodys_is_told_as_doubted() -> None:
    """To each turn, whoever's it is."""
    async with town() as place:
        one, two = await place.connect(), await place.connect()
        await ask(place, one, "a")
        await ask(place, two, "b")
        await place.peer.push("error", message="too bad")
        for gateway, key in ((one, "a"), (two, "b")):
            assert await gateway.pushed() == (DOUBT, {"turn": key, "error": {"message": "too bad"}})


async def test_a_refused_question_is_no_turn() -> None:
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


async def test_a_dialect_that_is_not_known_changes_the_terms_for_all() -> None:
    """What one gateway learns, others need not."""
    async with town() as place:
        place.link.channel.terms = Terms("chat", changes=2)
        one = await place.connect()
        _, at_lingma = await ask(place, one, "a")
        await place.peer.send(place.peer.rpc.refuse(at_lingma.id, METHOD_NOT_FOUND, "no such method"))
        await one.event()
        assert place.link.channel.terms == Terms("session", changes=1)


@pytest.mark.parametrize("first", ["answer", "update"])
async def test_a_prompt_is_over_with_whichever_end_comes_first(first: str) -> None:
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


async def test_pictures_go_up_before_the_question() -> None:
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


async def test_a_life_that_ends_closes_the_connection_of_every_gateway() -> None:
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
async def test_an_unknown_life_is_over(path: str) -> None:
    """So a gateway that has not heard of its end yet learns it in the same way."""
    async with town() as place:
        gateway = await place.connect(path)
        assert await gateway.closed() == LIFE_OVER


async def test_pushes_about_the_account_stay_here() -> None:
    """They name no turn; gateways are told what came of them."""
    async with town() as place:
        one = await place.connect()
        await ask(place, one, "a")
        await place.peer.push("auth/report", name="somebody")
        assert await told_nothing(one)
        assert [method for method, _ in place.link.pushes] == ["auth/report"]
