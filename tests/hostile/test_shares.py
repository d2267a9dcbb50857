"""Fair shares: who waits, for what, whose sessions go, and who answers, seen from a client."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.policy.retry_budget import FLOOR
from lingma_trio.protocol.jsonrpc import ServerRequest
from lingma_trio.sessions.book import Lease, Session, SessionBook
from tests.conversations import held
from tests.http.world import open_world
from tests.peers import LingmaPeer, Link, LinkedInstance, linked


async def answer(peer: LingmaPeer, question: ServerRequest, text: str = "Hello.") -> None:
    """Answer whole."""
    await peer.text(question, text)
    await peer.finish(question)


# --- waiting ---------------------------------------------------------------------------------------------------------


async def test_want_of_room_on_an_instance_is_waited_for(autojump_clock: MockClock) -> None:
    """An instance at its own limit is no instant 429 while the queue has room: the next one is asked when one ends."""
    async with open_world(each=1) as world, trio.open_nursery() as nursery:
        visitors = [world.asker(f"{number}?") for number in range(3)]
        for visitor in visitors:
            nursery.start_soon(visitor.visit)
        for _ in visitors:
            question = await world.peer.called("chat/ask")
            await wait_all_tasks_blocked()
            assert world.instance.turns == 1
            await answer(world.peer, question)
    assert [visitor.status for visitor in visitors] == [200, 200, 200]


async def test_instance_that_starts_is_waited_for(autojump_clock: MockClock) -> None:
    """Who comes while Lingma starts or backs off is answered by the life that begins, and not told 503 at once."""
    for state in ("starting", "backing_off"):
        async with open_world() as world, trio.open_nursery() as nursery:
            world.instance.enter(state)
            visitor = world.asker()
            nursery.start_soon(visitor.visit)
            await trio.sleep(5)
            assert (visitor.status, world.services.limiter.counts.queued) == (0, 1)
            world.instance.enter("ready")
            await answer(world.peer, await world.peer.called("chat/ask"))
        assert visitor.status == 200


async def test_instance_that_nobody_can_bring_back_by_waiting_is_told_at_once(autojump_clock: MockClock) -> None:
    """Where somebody has to sign in, or every account rests for long, nobody waits for nothing."""
    async with open_world() as world:
        began = trio.current_time()
        world.instance.enter("needs_login", "sign in, please")
        visitor = world.asker()
        await visitor.visit()
        assert (visitor.status, visitor.code) == (503, "login_required")
        world.instance.enter("ready")
        world.instance.rest(600)
        visitor = world.asker()
        await visitor.visit()
        assert (visitor.status, visitor.code, visitor.headers["retry-after"]) == (429, "upstream_rate_limited", "60")
        assert trio.current_time() == began


async def test_short_rest_is_waited_for(autojump_clock: MockClock) -> None:
    """A rest that ends before the queue's timeout costs the wait, and no 429."""
    async with open_world() as world, trio.open_nursery() as nursery:
        nursery.start_soon(world.instance.health.watch)
        world.instance.rest(10)
        visitor, began = world.asker(), trio.current_time()
        nursery.start_soon(visitor.visit)
        question = await called(world.peer)
        assert trio.current_time() - began >= 10
        await answer(world.peer, question)
        await visitor.done.wait()
        nursery.cancel_scope.cancel("seen")
    assert visitor.status == 200


async def called(peer: LingmaPeer) -> ServerRequest:
    """The next question, however long it takes."""
    event = await peer.event(1000)
    assert isinstance(event, ServerRequest)
    return event


async def test_nobody_waits_behind_somebody_who_waits_for_another_instance(autojump_clock: MockClock) -> None:
    """A model whose only instance is away keeps back those who want it, and nobody else, not even of the same key."""
    async with linked() as link:
        other = LinkedInstance(link.channel, "lingma-1")
        async with open_world(slots=1, others=(other,)) as world, trio.open_nursery() as nursery:
            other.tell_models("kimi")
            other.enter("backing_off")
            patient = world.asker("First.", model="kimi")
            nursery.start_soon(patient.visit)
            await wait_all_tasks_blocked()
            quick = world.asker("Second.", model="qwen")
            nursery.start_soon(quick.visit)
            await answer(world.peer, await world.peer.called("chat/ask"))
            await quick.done.wait()
            assert (quick.status, patient.status) == (200, 0)
            other.enter("ready")
            await answer(link.peer, await link.peer.called("chat/ask"))
        assert patient.status == 200


# --- retries ---------------------------------------------------------------------------------------------------------


async def test_failing_instances_do_not_triple_the_load(autojump_clock: MockClock) -> None:
    """With every instance failing, thirty questions of a key are asked thirty times and a few, not ninety times."""
    asked = 0

    async def fail(link: Link) -> None:
        nonlocal asked
        while True:
            question = await called(link.peer)
            if question.method == "chat/ask":
                asked += 1
                await link.peer.finish(question, status=401)

    async with linked() as one, linked() as two:
        others = tuple(LinkedInstance(link.channel, f"lingma-{at}") for at, link in enumerate((one, two), 1))
        async with open_world(slots=0, others=others) as world, trio.open_nursery() as nursery:
            for link in (world.link, one, two):
                nursery.start_soon(fail, link)
            for number in range(30):
                visitor = world.asker(f"{number}?")
                await visitor.visit()
                assert (visitor.status, visitor.code) == (503, "login_required")
            nursery.cancel_scope.cancel("counted")
    assert asked == 30 + FLOOR


# --- models ----------------------------------------------------------------------------------------------------------


async def test_model_of_one_instance_is_answered_by_it_alone(autojump_clock: MockClock) -> None:
    """Of two instances only the second has the model: it is listed, it answers, and nobody else does in its place."""
    async with linked() as link:
        other = LinkedInstance(link.channel, "lingma-1")
        other.tell_models("kimi")
        async with open_world(others=(other,)) as world, trio.open_nursery() as nursery:
            listed = await world.call("GET", "/v1/models")
            assert [model["id"] for model in listed.json["data"]] == ["org_auto", "qwen", "kimi"]
            visitor = world.asker(model="kimi")
            nursery.start_soon(visitor.visit)
            question = await link.peer.called("chat/ask")
            assert question.params["extra"] == {"modelConfig": {"key": "kimi"}}
            await answer(link.peer, question)
        assert (visitor.status, visitor.json["model"]) == (200, "kimi")


async def test_model_is_not_answered_by_another_one_when_its_instance_fails(autojump_clock: MockClock) -> None:
    """A turn is not moved to an instance that would answer it with another model."""
    async with linked() as link:
        other = LinkedInstance(link.channel, "lingma-1")
        other.tell_models("kimi")
        async with open_world(others=(other,)) as world, trio.open_nursery() as nursery:
            visitor = world.asker(model="kimi")
            nursery.start_soon(visitor.visit)
            await link.peer.called("chat/ask")
            await link.vanish()
            await visitor.done.wait()
            assert (visitor.status, visitor.code) == (502, "upstream_lost")
            assert world.instance.turns == 0


# --- sessions --------------------------------------------------------------------------------------------------------


def test_short_chats_of_one_key_leave_another_its_sessions() -> None:
    """However many chats one key begins, another keeps its sessions up to an equal share of the room."""
    book = SessionBook(max_entries=256, ttl=1000)
    quiet = [held(f"q{number}", "a", tenant="quiet") for number in range(200)]
    for number, each in enumerate(quiet):
        book.commit(each, Session(f"q-{number}", "lingma", "life"), now=0)
    for number in range(256):
        book.commit(held(f"b{number}", "a", tenant="busy"), Session(f"b-{number}", "lingma", "life"), now=0)
    kept = [book.claim(each, now=0, gone=lambda _: None) for each in quiet]
    assert sum(isinstance(found, Lease) for found in kept) == 128


async def test_refusal_before_lingma_was_asked_costs_no_session(autojump_clock: MockClock) -> None:
    """Who found no room and was told 429 goes on in its session when it comes again."""
    async with open_world(each=1) as world:
        messages = [{"role": "user", "content": "One?"}]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.asker(messages=messages).visit)
            await answer(world.peer, await world.peer.called("chat/ask"), "Two.")
        messages += [{"role": "assistant", "content": "Two."}, {"role": "user", "content": "Three?"}]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.asker("Somebody else's.").visit)
            other = await world.peer.called("chat/ask")
            refused = world.asker(messages=messages)
            await refused.visit()
            assert refused.status == 429
            await world.peer.text(other, "Hello.", "s-2")
            await world.peer.finish(other, "s-2")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.asker(messages=messages).visit)
            question = await world.peer.called("chat/ask")
            assert (question.params["isReply"], question.params["questionText"]) == (True, "Three?")
            await answer(world.peer, question)
