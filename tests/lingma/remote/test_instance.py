"""An instance elsewhere is asked, moved from, drained and signed in like one that is here."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import ChannelLost, InvalidRequest, QuotaExceeded, Unavailable, UpstreamError, UpstreamTimeout
from lingma_trio.lingma.asker import Asker, DialogueOptions
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.dialogue import Dialogue
from lingma_trio.lingma.dialogues import Dialogues
from lingma_trio.lingma.limiter import Limiter
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.protocol.acp.messages import AcpTerms, Agent
from lingma_trio.protocol.fleet_messages import (
    BUSY,
    DISCARD,
    DOUBT,
    DRAIN,
    DRAINING,
    EXPORT,
    KEPT,
    LOGIN,
    RECHECK,
    REST,
    TAKEN,
)
from lingma_trio.protocol.jsonrpc import Notification, ServerRequest
from lingma_trio.protocol.turn_machine import Terms
from lingma_trio.sessions.book import Session, SessionBook
from lingma_trio.sessions.commit import Delivered
from lingma_trio.state.sessions_memory import MemorySessions
from lingma_trio.turns import Finished, Message, Prompt
from tests.lingma.remote.played import LOGIN as NEEDS_HUMAN
from tests.lingma.remote.played import RPC_TIMEOUT, Reach, reaching, report
from tests.peers import LingmaPeer, batch

PROMPT = Prompt((Message("user", "Why blue?"),))
FOLLOW_UP = Prompt((*PROMPT.messages, Message("assistant", "Blue."), Message("user", "Sure?")))
FIRST, SECOND = "one.lingma-0", "two.lingma-0"
ACP = Terms("acp", directory="/work", acp=AcpTerms(Agent(name="agent", closes=True)))


class House:
    """What asks the instances of a reach."""

    def __init__(self, reach: Reach) -> None:
        limiter = Limiter(limit=10, queue_timeout=30, max_queue=10)
        options = DialogueOptions(
            TurnBounds(first_delta=120, idle=20, max_size=1000), "org_auto", "chat", reuse_sessions=True
        )
        self.sessions = MemorySessions(SessionBook(max_entries=10, ttl=1000))
        self.dialogues = Dialogues(limiter, reach.pool, self.sessions, options)

    @asynccontextmanager
    async def asking(self, prompt: Prompt = PROMPT) -> AsyncIterator[Dialogue]:
        """A dialogue in which the question is put."""
        asker = Asker("ann", "org_auto")
        lease = await self.dialogues.lease(prompt, asker)
        async with self.dialogues.seat(lease, asker) as seat, self.dialogues.open(prompt, asker, seat) as dialogue:
            yield dialogue

    async def ask(self, answers: list[str], prompt: Prompt = PROMPT) -> None:
        """Ask, and add the answer, of which the session is remembered."""
        async with self.asking(prompt) as dialogue:
            text = ""
            while True:
                for event in await batch(dialogue, 100):
                    if isinstance(event, Finished):
                        await dialogue.commit(Delivered(text))
                        answers.append(text)
                        return
                    text += getattr(event, "text", "")


async def answer(peer: LingmaPeer, question: ServerRequest, text: str = "Blue.") -> None:
    """Answer it."""
    await peer.text(question, text)
    await peer.finish(question)


async def test_turn_goes_through_the_agent(autojump_clock: MockClock) -> None:
    """The instance is asked in its own dialect, and counts the turn while it is under way."""
    async with reaching([report()]) as reach, trio.open_nursery() as nursery:
        peer, house = await reach.ready(), House(reach)
        answers: list[str] = []
        nursery.start_soon(house.ask, answers)
        question = await peer.called("chat/ask")
        assert question.params["questionText"] == "Why blue?"
        assert reach.instance().turns == 1
        await answer(peer, question)
        await reach.until(lambda: answers)
        assert answers == ["Blue."]


async def test_calls_wait_as_long_as_the_settings_say(autojump_clock: MockClock) -> None:
    """LINGMA_RPC_TIMEOUT is the gateway's, also for what is asked elsewhere."""
    async with reaching([report()]) as reach:
        await reach.ready()
        began = trio.current_time()
        with pytest.raises(UpstreamTimeout):
            await reach.instance().channel().call("auth/status", {})
        assert trio.current_time() - began == RPC_TIMEOUT


async def test_turn_that_is_left_is_stopped_there(autojump_clock: MockClock) -> None:
    """By the request that is its own, and no other's."""
    async with reaching([report()]) as reach:
        peer, house = await reach.ready(), House(reach)
        async with house.asking():
            question = await peer.called("chat/ask")
        stop = await peer.called("chat/stop")
        assert stop.params["requestId"] == question.params["requestId"]


async def test_turn_of_a_lost_agent_is_moved_unseen(autojump_clock: MockClock) -> None:
    """Before its first text, as from a Lingma that dies here."""
    async with reaching([report(FIRST)], [report(SECOND)]) as reach, trio.open_nursery() as nursery:
        await reach.until(
            lambda: len(reach.pool.instances) == 2 and not any(each.standing.fault() for each in reach.pool.instances)
        )
        peers = {agent.address.host: await agent.peers.receive() for agent in reach.played}
        house = House(reach)
        answers: list[str] = []
        nursery.start_soon(house.ask, answers)
        await reach.until(lambda: any(each.turns for each in reach.pool.instances))
        asked = next(each for each in reach.played if reach.instance(each.reports[0].name).turns)
        other = next(each for each in reach.played if each is not asked)
        await asked.vanish()
        await answer(peers[other.address.host], await peers[other.address.host].called("chat/ask"))
        await reach.until(lambda: answers)


async def test_turn_that_had_its_first_text_fails_with_its_agent(autojump_clock: MockClock) -> None:
    """What was shown cannot be taken back, and the answer must not look complete."""
    async with reaching([report()]) as reach:
        peer, house = await reach.ready(), House(reach)
        async with house.asking() as dialogue:
            question = await peer.called("chat/ask")
            await peer.text(question, "Bl")
            await batch(dialogue, 100)
            await reach.one.vanish()
            with pytest.raises(ChannelLost):
                await batch(dialogue, 100)


@pytest.mark.parametrize("code", [BUSY, DRAINING])
async def test_turn_that_an_agent_has_no_room_for_waits_until_it_tells_otherwise(
    autojump_clock: MockClock, code: int
) -> None:
    """Another gateway took the room: nobody's fault, no rest, and no second question until the agent tells of room."""
    async with reaching([report()]) as reach, trio.open_nursery() as nursery:
        peer, house = await reach.ready(), House(reach)
        reach.one.beats = False
        answers: list[str] = []
        nursery.start_soon(house.ask, answers)
        for _ in range(20):  # however often it happens
            question = await peer.called("chat/ask")
            await peer.send(peer.rpc.refuse(question.id, code, "no room"))
            await reach.until(lambda: not reach.instance().has_room())
            assert reach.instance().standing.fault() is None
            await reach.one.tell()
        await answer(peer, await peer.called("chat/ask"))
        await reach.until(lambda: answers)
        assert reach.instance().health.untouched


async def test_session_that_an_agent_has_no_room_for_is_gone_on_with(autojump_clock: MockClock) -> None:
    """Nothing was asked there, so it is what it was: the same question goes there again, and no transcript."""
    async with reaching([report(terms=ACP)]) as reach, trio.open_nursery() as nursery:
        house = House(reach)
        answers: list[str] = []
        peer = await hear_blue(reach, house, answers, nursery)
        nursery.start_soon(house.ask, answers, FOLLOW_UP)
        for _ in range(3):
            prompt = await peer.called("session/prompt")
            assert prompt.params["sessionId"] == "s-1"
            assert "Why blue?" not in str(prompt.params["prompt"])
            await peer.send(peer.rpc.refuse(prompt.id, BUSY, "no room"))
        await say(peer, await peer.called("session/prompt"), "Yes.")
        await reach.until(lambda: answers == ["Blue.", "Yes."])
        assert reach.one.wishes == []
        assert len(house.sessions) == 1
        assert house.sessions.counters.hits == 1, "one conversation, however often it was sent"


async def test_session_that_waits_for_room_in_vain_is_there_for_the_next(autojump_clock: MockClock) -> None:
    """A client that gives up meanwhile leaves it to be continued."""
    async with reaching([report(terms=ACP)]) as reach, trio.open_nursery() as nursery:
        house = House(reach)
        answers: list[str] = []
        peer = await hear_blue(reach, house, answers, nursery)
        reach.one.beats = False
        with trio.move_on_after(2):
            async with trio.open_nursery() as clients:
                clients.start_soon(house.ask, answers, FOLLOW_UP)
                prompt = await peer.called("session/prompt")
                await peer.send(peer.rpc.refuse(prompt.id, BUSY, "no room"))
        assert len(house.sessions) == 1
        await reach.one.tell()
        nursery.start_soon(house.ask, answers, FOLLOW_UP)
        assert (await peer.called("session/prompt")).params["sessionId"] == "s-1"
        nursery.cancel_scope.cancel("tested")
    assert (DISCARD, {"name": FIRST, "life": "life-1", "session": "s-1"}) not in reach.one.wishes


@pytest.mark.parametrize("terms", [ACP, Terms()], ids=["acp", "chat"])
async def test_each_life_is_told_how_long_sessions_are_gone_on_with(autojump_clock: MockClock, terms: Terms) -> None:
    """Of a program that closes them; Lingma is told nothing that it does not know."""
    async with reaching([report(terms=terms)], session_ttl=1800) as reach, trio.open_nursery() as nursery:
        peer, house = await reach.ready(), House(reach)
        nursery.start_soon(house.ask, [])
        first = await peer.event()
        if terms is ACP:
            assert first == Notification(KEPT, {"seconds": 1800})
        else:
            assert isinstance(first, ServerRequest)
        nursery.cancel_scope.cancel("tested")


async def test_session_that_somebody_else_asks_in_is_left_to_them(autojump_clock: MockClock) -> None:
    """It is no longer in the state that was proved: the whole conversation is asked in another one."""
    async with reaching([report(terms=ACP)]) as reach, trio.open_nursery() as nursery:
        house = House(reach)
        answers: list[str] = []
        peer = await hear_blue(reach, house, answers, nursery)
        nursery.start_soon(house.ask, answers, FOLLOW_UP)
        prompt = await peer.called("session/prompt")
        await peer.send(peer.rpc.refuse(prompt.id, TAKEN, "another turn is under way there"))
        await peer.answer(await peer.called("session/new"), {"sessionId": "s-2"})
        prompt = await peer.called("session/prompt")
        assert "Why blue?" in str(prompt.params["prompt"])
        await say(peer, prompt, "Yes.")
        await reach.until(lambda: answers == ["Blue.", "Yes."])
        assert reach.one.wishes == []


async def hear_blue(reach: Reach, house: House, answers: list[str], nursery: trio.Nursery) -> LingmaPeer:
    """Have a conversation begin in the session s-1, whose first answer is blue."""
    peer = await reach.ready()
    nursery.start_soon(house.ask, answers)
    await peer.answer(await peer.called("session/new"), {"sessionId": "s-1"})
    await say(peer, await peer.called("session/prompt"), "Blue.")
    await reach.until(lambda: answers)
    return peer


async def say(peer: LingmaPeer, prompt: ServerRequest, text: str) -> None:
    """Answer a prompt as an agent that speaks ACP does."""
    chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
    await peer.push("session/update", sessionId=prompt.params["sessionId"], update=chunk)
    await peer.answer(prompt, {"stopReason": "end_turn"})


async def test_turns_of_other_gateways_count(autojump_clock: MockClock) -> None:
    """An instance whose bound they fill is not asked in vain."""
    async with reaching([report(most=2, turns=1)]) as reach:
        await reach.ready()
        assert reach.instance().has_room()
        assert reach.instance().load == 1
        await reach.one.tell(report(most=2, turns=2))
        await reach.until(lambda: not reach.instance().has_room())


async def test_doubt_reaches_the_turn_that_it_may_be_of(autojump_clock: MockClock) -> None:
    """As on a channel of our own, it is that turn's if nothing follows."""
    async with reaching([report()]) as reach:
        peer, house = await reach.ready(), House(reach)
        async with house.asking() as dialogue:
            question = await peer.called("chat/ask")
            await peer.text(question, "Bl")
            await batch(dialogue, 100)
            await peer.push(DOUBT, turn=question.params["requestId"], error={"message": "it broke"})
            with pytest.raises(UpstreamError, match="it broke"):
                await batch(dialogue, 100)


async def test_connection_that_has_fallen_silent_is_made_again(autojump_clock: MockClock) -> None:
    """Though the agent is heard of over its other one: its turns fail then, and do not wait as long as they may."""
    async with reaching([report()]) as reach:
        peer, house = await reach.ready(), House(reach)
        await trio.sleep(60)
        reach.one.pings = False
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.called, "chat/ask")
            with pytest.raises(ChannelLost):
                await house.ask([])
        assert trio.current_time() - began < 5.0
        await reach.instance_peer()


async def test_session_goes_on_with_the_life_that_the_agent_names(autojump_clock: MockClock) -> None:
    """The name, the life and the account are the agent's, so that any gateway can say whether a session is there."""
    async with reaching([report()]) as reach:
        await reach.ready()
        instance = reach.instance()
        session = Session("s-1", instance.name, instance.life, instance.account.name)
        assert (session.life, session.account) == ("life-1", "ann")
        assert reach.pool.gone(session) is None
        await reach.one.vanish()
        await reach.until(lambda: reach.pool.gone(session) == "instance_gone")


async def test_channel_that_breaks_is_made_again_to_the_same_life(autojump_clock: MockClock) -> None:
    """Its sessions are still there."""
    async with reaching([report()]) as reach:
        peer = await reach.ready()
        await peer.socket.aclose()
        await reach.instance_peer()
        await reach.until(lambda: reach.instance().lives.connected)
        assert reach.instance().life == "life-1"
        assert reach.instance().lives.restarts == 0


async def test_rest_is_told_and_heard(autojump_clock: MockClock) -> None:
    """What one gateway learned of an account holds for all of them."""
    async with reaching([report()]) as reach, trio.open_nursery() as nursery:
        peer, house = await reach.ready(), House(reach)
        nursery.start_soon(fail, house)
        await peer.finish(await peer.called("chat/ask"), status=403)
        await peer.answer(await peer.called("auth/status"), {"status": 2})
        await reach.until(lambda: REST in dict(reach.one.wishes))
        told = dict(reach.one.wishes)[REST]
        assert (told["name"], told["account"], told["model"]) == (FIRST, "ann", "org_auto")
        assert told["seconds"] == pytest.approx(30, abs=1)
        await reach.one.tell(report(rests={"qwen": 100.0}))
        await reach.until(lambda: reach.instance().health.rest("qwen") > 90)
        assert [params for method, params in reach.one.wishes if method == REST] == [told]


async def test_another_account_starts_without_rests(autojump_clock: MockClock) -> None:
    """What is said of the one before is over; what is said of the new one holds."""
    async with reaching([report(account="one", rests={"": 100.0})]) as reach:
        await reach.ready()
        assert reach.instance().health.rest() > 90
        await reach.one.tell(report(account="another", rests={"qwen": 50.0}))
        await reach.until(lambda: reach.instance().health.rest() == 0)
        assert reach.instance().health.resting() == {"qwen": pytest.approx(50, abs=1)}


@pytest.mark.parametrize(("next_one", "rests"), [("another", False), ("one", True)])
async def test_account_is_another_than_the_last_that_was_known(
    autojump_clock: MockClock, next_one: str, rests: bool
) -> None:
    """An agent that starts anew knows of nobody at first."""
    async with reaching([report(account="one", rests={"": 100.0})]) as reach:
        await reach.ready()
        await reach.one.tell(report(account="", life="", state="starting"))
        await reach.until(lambda: reach.instance().account.name == "")
        await reach.one.tell(report(account=next_one, life="life-2"))
        await reach.until(lambda: reach.instance().account.name == next_one)
        assert (reach.instance().health.rest() > 90) == rests


async def test_nobody_is_given_another_account_before_its_rests_are_known(autojump_clock: MockClock) -> None:
    """What is told of it at once holds at once, by whatever order."""
    async with reaching([report(account="one", rests={"": 100.0})]) as reach:
        await reach.ready()
        instance, changes = reach.instance(), list[tuple[str, bool]]()

        def changed() -> None:
            changes.append((instance.account.name, instance.standing.fault("qwen") is None))

        reach.pool.on_change = changed
        await reach.one.tell(report(account="another", rests={"auto": 50.0, "": 100.0}))
        await reach.until(lambda: instance.account.name == "another")
        assert ("another", False) in changes
        assert not any(was_free for _, was_free in changes)


async def fail(house: House) -> None:
    """Ask in vain."""
    with pytest.raises(QuotaExceeded):
        await house.ask([])


async def test_operator_drains_it_for_all_gateways(autojump_clock: MockClock) -> None:
    """The agent is told, and knows it from then on."""
    async with reaching([report()]) as reach:
        await reach.ready()
        await reach.instance().take_order("drain")
        assert reach.one.wishes == [(DRAIN, {"name": FIRST})]
        assert reach.instance().standing.told()[0] == "drained"
        await reach.one.tell(report(drained=False))
        await reach.until(lambda: reach.instance().standing.fault() is None)
        await reach.instance().take_order("restart")
        assert reach.one.wishes[-1] == ("instance/restart", {"name": FIRST})
        await reach.instance().take_order("resume")
        assert reach.one.wishes[-1] == ("instance/resume", {"name": FIRST})


async def test_order_that_cannot_be_given_says_so(autojump_clock: MockClock) -> None:
    """Nothing is believed to be done that was not."""
    async with reaching([report()]) as reach:
        await reach.ready()
        reach.one.answers[DRAIN] = "not now"
        with pytest.raises(InvalidRequest, match="agent-1 refused: not now"):
            await reach.instance().take_order("drain")
        await reach.one.vanish()
        await reach.until(lambda: reach.instance().standing.fault() is not None)
        with pytest.raises(Unavailable, match=r"nothing was changed; try again .*or do it there"):
            await reach.instance().take_order("drain")
        assert not reach.instance().standing.drained


async def test_it_is_signed_in_from_any_gateway(autojump_clock: MockClock) -> None:
    """The link that its agent has is shown, and what a browser ended at goes there."""
    async with reaching([report(state="needs_login", reason="nobody is signed in", login=NEEDS_HUMAN)]) as reach:
        await reach.instance_peer()
        await reach.until(lambda: reach.instance().lives.present.channel is not None)
        assert reach.instance().standing.told()[0] == "needs_login"
        login = reach.instance().account.login
        assert login is not None
        assert (login.state, login.url) == ("needs_human", "https://example.com/login")
        assert login.next_attempt_in == pytest.approx(7, abs=0.1)
        for wishes in ({"callback": "http://127.0.0.1/?x"}, {"retry": True}, {}):
            await reach.instance().sign_in(**wishes)
            assert reach.one.wishes[-1] == (LOGIN, {"name": FIRST, **wishes})
        reach.instance().account.recheck()
        await reach.until(lambda: reach.one.wishes[-1] == (RECHECK, {"name": FIRST}))


async def test_login_is_taken_along_from_any_gateway(autojump_clock: MockClock) -> None:
    """As a bundle, or with what is said there of why not."""
    async with reaching([report()]) as reach:
        await reach.ready()
        reach.one.answers[EXPORT] = {"bundle": b64encode(b"packed").decode()}
        assert await reach.instance().export_login() == b"packed"
        for answered, words in (("it has none", "it has none"), ({"bundle": 1}, "no bundle")):
            reach.one.answers[EXPORT] = answered
            with pytest.raises(BundleFault, match=words):
                await reach.instance().export_login()


async def test_sessions_of_a_program_that_speaks_acp_are_let_go_of(autojump_clock: MockClock) -> None:
    """A cancelled turn is told of in its own words, and what nobody goes on with is closed where it is."""
    async with reaching([report(terms=ACP)]) as reach:
        peer, house = await reach.ready(), House(reach)
        assert reach.instance().account.program is not None
        async with house.asking():
            await peer.answer(await peer.called("session/new"), {"sessionId": "s-1"})
            prompt = await peer.called("session/prompt")
            assert prompt.params["sessionId"] == "s-1"
        cancel = await peer.event()
        assert isinstance(cancel, Notification)
        assert (cancel.method, cancel.params) == ("session/cancel", {"sessionId": "s-1"})
        await reach.until(lambda: reach.one.wishes)
        assert reach.one.wishes == [(DISCARD, {"name": FIRST, "life": "life-1", "session": "s-1"})]


async def test_session_that_an_agent_has_no_room_for_is_asked_for_again(autojump_clock: MockClock) -> None:
    """As a turn is; and one that was made for a prompt which finds no room then is not left behind."""
    async with reaching([report(terms=ACP)]) as reach, trio.open_nursery() as nursery:
        peer, house = await reach.ready(), House(reach)
        answers: list[str] = []
        nursery.start_soon(house.ask, answers)
        wanted = await peer.called("session/new")
        await peer.send(peer.rpc.refuse(wanted.id, BUSY, "no room"))
        await peer.answer(await peer.called("session/new"), {"sessionId": "s-1"})
        prompt = await peer.called("session/prompt")
        await peer.send(peer.rpc.refuse(prompt.id, BUSY, "no room"))
        await peer.answer(await peer.called("session/new"), {"sessionId": "s-2"})
        prompt = await peer.called("session/prompt")
        await say(peer, prompt, "Blue.")
        await reach.until(lambda: answers == ["Blue."])
        assert (DISCARD, {"name": FIRST, "life": "life-1", "session": "s-1"}) in reach.one.wishes


async def test_session_that_comes_too_late_is_closed(autojump_clock: MockClock) -> None:
    """The turn that wanted it has gone, and nobody else knows of it."""
    async with reaching([report(terms=ACP)]) as reach:
        peer, house = await reach.ready(), House(reach)
        async with house.asking():
            wanted = await peer.called("session/new")
        await peer.answer(wanted, {"sessionId": "s-late"})
        await reach.until(lambda: reach.one.wishes)
        assert reach.one.wishes == [(DISCARD, {"name": FIRST, "life": "life-1", "session": "s-late"})]


async def test_account_is_shown_as_its_agent_names_it(autojump_clock: MockClock) -> None:
    """Also where it names it otherwise later."""
    async with reaching([report(label="ann")]) as reach:
        await reach.ready()
        assert reach.instance().label == "ann"
        await reach.one.tell(report(label="eve"))
        await reach.until(lambda: reach.instance().label == "eve")
