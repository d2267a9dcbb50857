"""The RPC channel, over a real WebSocket on memory streams: one reader that waits for nobody, one writer, no leaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
from pydantic_core import to_json
from structlog.testing import capture_logs
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked
from wsproto import ConnectionType, WSConnection
from wsproto import events as ws
from wsproto.events import AcceptConnection, CloseConnection, Event, TextMessage

from lingma_trio.errors import ChannelLost, ProtocolFault, RpcError, Unavailable, UpstreamTimeout
from lingma_trio.lingma.acp.pipes import PipeTransport
from lingma_trio.lingma.channel import CLOSE_GRACE, MOST_UNSENT, NO_MESSAGE, RpcChannel
from lingma_trio.lingma.supervisor import supervise
from lingma_trio.lingma.websocket import shake_hands
from lingma_trio.lingma.writer import MAX_UNSENT, WRITE_TIMEOUT
from lingma_trio.policy.backoff import Backoff
from lingma_trio.protocol.framing import frame
from lingma_trio.protocol.jsonrpc import Connection, ErrorResponse, Junk, Notification, Response, ServerRequest
from lingma_trio.protocol.manners import ACP
from lingma_trio.protocol.request import Notice, Refusal, Reply, Request, Result
from lingma_trio.protocol.turn_machine import Push, Terms
from tests.peers import Link, linked

IDLE = "<RpcChannel open calls=0 asks=0 turns=0 unsent=0>"


@dataclass
class Listener:
    """A turn that writes down what it is told."""

    pushes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    answers: list[tuple[int, object]] = field(default_factory=list)
    refusals: list[tuple[int, Refusal]] = field(default_factory=list)
    losses: list[ChannelLost] = field(default_factory=list)
    doubts: list[dict[str, Any]] = field(default_factory=list)

    def push(self, method: str, params: dict[str, Any]) -> None:
        self.pushes.append((method, params))

    def push_all(self, pushes: Sequence[Push]) -> None:
        self.pushes.extend(pushes)
        self.runs.append(len(pushes))

    def reply(self, method: str, params: dict[str, Any]) -> Reply:
        if method == "fs/read_text_file":
            return Refusal(-32601, "Method not found")
        return Result({"to": method, "turn": params.get("requestId")} if method == "tool/invoke" else None)

    def answered(self, number: int, result: object) -> None:
        self.answers.append((number, result))

    def refused(self, number: int, refusal: Refusal) -> None:
        self.refusals.append((number, refusal))

    def doubted(self, params: dict[str, Any]) -> None:
        self.doubts.append(params)

    def lost(self, error: ChannelLost) -> None:
        self.losses.append(error)

    @property
    def text(self) -> str:
        return "".join(params["text"] for _, params in self.pushes)


def put(channel: RpcChannel, key: str, listener: Listener, text: str = "") -> int:
    """Open a turn and send its question."""
    channel.register(key, listener)
    return channel.send(Request("chat/ask", {"requestId": key, "text": text}), listener)


async def ask(link: Link, key: str) -> tuple[Listener, int]:
    """Open a turn and let the peer take its question."""
    listener = Listener()
    number = put(link.channel, key, listener)
    await link.peer.called("chat/ask")
    return listener, number


# --- calls -----------------------------------------------------------------------------------------------------------


async def test_call_returns_its_own_answer() -> None:
    """Answers find their calls, in whatever order they come."""
    async with linked() as link, trio.open_nursery() as nursery:
        results: dict[str, object] = {}

        async def call(method: str) -> None:
            results[method] = await link.channel.call(method, {})

        nursery.start_soon(call, "first")
        await wait_all_tasks_blocked()
        nursery.start_soon(call, "second")
        calls = [await link.peer.called("first"), await link.peer.called("second")]
        for each in reversed(calls):
            await link.peer.answer(each, {"of": each.method})
        await wait_all_tasks_blocked()
        assert results == {"first": {"of": "first"}, "second": {"of": "second"}}
        assert repr(link.channel) == IDLE


FAULTS: list[tuple[Callable[[Connection], bytes], str]] = [
    (lambda rpc: rpc.refuse(1, -32601, "no such method"), "auth/status failed: no such method (-32601)"),
    (
        lambda rpc: rpc.answer(1, {"success": False, "errorCode": "500", "errorMsg": "broken"}),
        "auth/status failed: 500 broken (0)",
    ),
    (lambda rpc: rpc.answer(1, {"isSuccess": False, "errorMessage": "broken"}), "auth/status failed: broken (0)"),
]


@pytest.mark.parametrize(("reply", "message"), FAULTS, ids=["error", "success", "isSuccess"])
async def test_error_in_any_form_fails_the_call(reply: Callable[[Connection], bytes], message: str) -> None:
    """An error fails the call and is counted, whether JSON-RPC or the result says it."""
    async with linked() as link, trio.open_nursery() as nursery:

        async def call() -> None:
            with pytest.raises(RpcError) as fault:
                await link.channel.call("auth/status", {})
            assert str(fault.value) == message

        nursery.start_soon(call)
        await link.peer.called("auth/status")
        await link.peer.send(reply(link.peer.rpc))
        await wait_all_tasks_blocked()
        assert link.failed_calls == ["auth/status"]
        assert repr(link.channel) == IDLE


async def test_unanswered_call_ends_at_the_rpc_timeout(autojump_clock: MockClock) -> None:
    """A call waits for the RPC timeout and no longer, is counted, and its late answer is dropped."""
    async with linked(rpc_timeout=30) as link:
        began = trio.current_time()
        with pytest.raises(UpstreamTimeout, match="did not answer auth/status"):
            await link.channel.call("auth/status", {})
        assert trio.current_time() - began == 30
        assert link.failed_calls == ["auth/status"]
        await link.peer.answer(await link.peer.called("auth/status"), {"status": 2})
        await wait_all_tasks_blocked()
        assert repr(link.channel) == IDLE


async def test_cancelled_call_forgets_its_answer() -> None:
    """Nothing is left of a call that was cancelled, and an answer that still comes does no harm."""
    async with linked() as link:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.channel.call, "config/queryModels", {})
            abandoned = await link.peer.called("config/queryModels")
            nursery.cancel_scope.cancel("nobody asks any longer")
        assert repr(link.channel) == IDLE
        await link.peer.answer(abandoned, {})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.channel.call, "auth/status", {})
            await link.peer.answer(await link.peer.called("auth/status"), {})
        assert not link.failed_calls


async def test_peer_may_use_the_ids_we_use() -> None:
    """A push whose id equals that of a pending call is a push, and the call goes on waiting."""
    async with linked() as link, trio.open_nursery() as nursery:
        results: list[object] = []

        async def call() -> None:
            results.append(await link.channel.call("auth/status", {}))

        nursery.start_soon(call)
        pending = await link.peer.called("auth/status")
        number = await link.peer.push_with_id("auth/report", status=2)
        assert number == pending.id
        assert await link.peer.event() == Response(number, None)
        assert not results
        await link.peer.answer(pending, {"status": 2})
        await wait_all_tasks_blocked()
        assert results == [{"status": 2}]


# --- pushes ----------------------------------------------------------------------------------------------------------


async def test_push_with_an_id_is_answered_at_once() -> None:
    """Every push that carries an id is answered, whether a turn listens or not and whatever it does with it."""
    async with linked() as link:
        await ask(link, "a")
        for key in ("a", "nobody"):
            number = await link.peer.push_with_id("chat/answer", requestId=key, text="x")
            assert await link.peer.event() == Response(number, None)


async def test_tool_call_on_this_machine_is_declined() -> None:
    """Lingma's own tools find no workspace here, and are told so instead of being left to wait."""
    async with linked() as link:
        number = await link.peer.push_with_id("tool/invoke", requestId="a", toolCallId="t-1", name="run_in_terminal")
        reply = await link.peer.event()
        assert isinstance(reply, Response)
        assert reply.id == number
        assert reply.result["toolCallId"] == "t-1"
        assert reply.result["success"] is False


async def test_turn_may_answer_with_an_error() -> None:
    """What a turn refuses leaves as an error, which a null result would not be."""
    async with linked() as link:
        await ask(link, "a")
        await link.peer.push_with_id("fs/read_text_file", requestId="a")
        refusal = await link.peer.event()
        assert isinstance(refusal, ErrorResponse)
        assert (refusal.code, refusal.message) == (-32601, "Method not found")


async def test_notice_carries_no_id() -> None:
    """What is told as a notice is one on the wire, and what is told as a request has an id that nobody waits for."""
    async with linked() as link:
        link.channel.tell(Notice("session/cancel", {"sessionId": "s"}))
        assert await link.peer.event() == Notification("session/cancel", {"sessionId": "s"})
        link.channel.tell(Request("chat/stop", {}))
        assert isinstance(await link.peer.event(), ServerRequest)


async def test_several_frames_in_one_message_are_all_heard() -> None:
    """One message may hold several frames."""
    async with linked() as link:
        listener, _ = await ask(link, "a")
        frames = [link.peer.rpc.notify("chat/answer", {"requestId": "a", "text": text}) for text in "green"]
        await link.peer.send(b"".join(frames))
        await wait_all_tasks_blocked()
        assert listener.text == "green"


@pytest.mark.parametrize("size", [1, 7, 50])
async def test_frame_over_several_messages_is_heard(size: int) -> None:
    """A frame may come in any number of messages, of text or of bytes, cut anywhere, also within a character."""
    async with linked() as link:
        listener, _ = await ask(link, "a")
        frame = link.peer.rpc.notify("chat/answer", {"requestId": "a", "text": "绿色"})
        for start in range(0, len(frame), size):
            await link.peer.socket.send_message(frame[start : start + size])
        await wait_all_tasks_blocked()
        assert listener.text == "绿色"


async def test_push_goes_to_its_own_turn() -> None:
    """Of several turns each hears what names its request."""
    async with linked() as link:
        (first, _), (second, _) = await ask(link, "a"), await ask(link, "b")
        await link.peer.push("chat/answer", requestId="b", text="for b")
        await link.peer.push("chat/answer", requestId="a", text="for a")
        await wait_all_tasks_blocked()
        assert (first.text, second.text) == ("for a", "for b")
        assert not link.pushes


async def test_pushes_that_were_read_together_are_told_together_and_in_their_order() -> None:
    """Those of one turn that follow each other: another turn's, an answer and a request each come in between."""
    async with linked() as link:
        (first, number), (second, _) = await ask(link, "a"), await ask(link, "b")
        rpc = link.peer.rpc
        said = [rpc.notify("chat/answer", {"requestId": key, "text": text}) for key, text in ("a1", "a2", "b3", "a4")]
        asked = rpc.request("chat/answer", {"requestId": "a", "text": "5"})[1]
        late = [rpc.notify("chat/answer", {"requestId": "a", "text": text}) for text in "67"]
        await link.peer.send(b"".join([*said, asked, rpc.answer(number, {}), *late]))
        await wait_all_tasks_blocked()
        assert (first.text, second.text) == ("124567", "3")
        assert (first.runs, second.runs) == ([2, 1, 2], [1])
        assert first.answers == [(number, {})]


async def test_what_a_push_makes_known_holds_for_the_next_that_was_read_with_it() -> None:
    """A turn that learns a name of its session hears what names nothing else, and one that is over hears no more."""

    class Learning(Listener):
        def push_all(self, pushes: Sequence[Push]) -> None:
            super().push_all(pushes)
            link.channel.registry.alias("session:s-1", self)

    class Leaving(Listener):
        def push_all(self, pushes: Sequence[Push]) -> None:
            super().push_all(pushes)
            link.channel.forget("b", [], [])

    async with linked() as link:
        learning, leaving = Learning(), Leaving()
        link.channel.register("a", learning)
        link.channel.register("b", leaving)
        update = {"update": {"sessionUpdate": "plan"}}
        pushes = [
            ("chat/answer", {"requestId": "a", "text": "1"}),
            ("session/update", {"sessionId": "s-1", **update}),
            ("chat/answer", {"requestId": "b", "text": "2"}),
            ("chat/answer", {"requestId": "a", "text": "3"}),
            ("chat/answer", {"requestId": "b", "text": "4"}),
        ]
        await link.peer.send(b"".join(link.peer.rpc.notify(method, params) for method, params in pushes))
        await wait_all_tasks_blocked()
        assert learning.pushes == [pushes[0], pushes[1], pushes[3]]
        assert leaving.pushes == [pushes[2]]


async def test_late_and_unknown_pushes_are_dropped() -> None:
    """What names a request that is over, or never was, reaches nobody."""
    async with linked() as link:
        over, number = await ask(link, "a")
        link.channel.forget("a", [], [number])
        await link.peer.push("chat/answer", requestId="a", text="late")
        await link.peer.push("chat/answer", requestId="never", text="stray")
        await wait_all_tasks_blocked()
        assert not over.pushes
        assert not link.pushes
        assert repr(link.channel) == IDLE


async def test_push_that_names_no_request_goes_to_the_instance() -> None:
    """News of login and models is handed on."""
    async with linked() as link:
        await link.peer.push("config/refreshModels", reason="why not")
        await wait_all_tasks_blocked()
        assert link.pushes == [("config/refreshModels", {"reason": "why not"})]


async def test_unaddressed_error_ends_the_only_turn() -> None:
    """With one turn under way there is no doubt whose error it is."""
    async with linked() as link:
        listener, _ = await ask(link, "a")
        await link.peer.push("error", message="broken")
        await wait_all_tasks_blocked()
        assert listener.pushes == [("error", {"message": "broken"})]


async def test_unaddressed_error_among_several_turns_ends_none() -> None:
    """Among several turns nobody knows whose error it is, so none is blamed; one that names its turn ends that one."""
    async with linked() as link:
        (first, _), (second, _) = await ask(link, "a"), await ask(link, "b")
        await link.peer.push("error", message="whose?")
        await link.peer.push("error", requestId="b", message="of b")
        await wait_all_tasks_blocked()
        assert not first.pushes
        assert second.pushes == [("error", {"requestId": "b", "message": "of b"})]


async def test_fatal_error_ends_every_turn() -> None:
    """A fatal error is everybody's."""
    async with linked() as link:
        listeners = [(await ask(link, key))[0] for key in "abc"]
        await link.peer.push("fatal_error", message="the end")
        await wait_all_tasks_blocked()
        assert [len(listener.pushes) for listener in listeners] == [1, 1, 1]


# --- turns -----------------------------------------------------------------------------------------------------------


async def test_question_needs_no_answer() -> None:
    """Asking waits for nothing; an acknowledgement that comes reaches its turn, with the number of what it answers."""
    async with linked() as link:
        listener = Listener()
        put(link.channel, "silent", listener)
        number = put(link.channel, "acknowledged", listener)
        await link.peer.called("chat/ask")
        await link.peer.answer(await link.peer.called("chat/ask"), {"success": True})
        await wait_all_tasks_blocked()
        assert listener == Listener(answers=[(number, {"success": True})])
        assert link.channel.turns == 2


async def test_refused_question_is_told_to_its_turn() -> None:
    """A refusal reaches the turn, whether JSON-RPC or the result says it."""
    async with linked() as link:
        by_error, by_result = Listener(), Listener()
        numbers = put(link.channel, "a", by_error), put(link.channel, "b", by_result)
        first, second = await link.peer.called("chat/ask"), await link.peer.called("chat/ask")
        await link.peer.send(link.peer.rpc.refuse(first.id, -32603, "failed to ask"))
        await link.peer.answer(second, {"success": False, "errorCode": "500", "errorMsg": "broken"})
        await wait_all_tasks_blocked()
        assert by_error.refusals == [(numbers[0], Refusal(-32603, "failed to ask"))]
        assert by_result.refusals == [(numbers[1], Refusal(0, "broken"))]
        assert not link.failed_calls


async def test_turn_that_is_over_hears_no_refusal() -> None:
    """An acknowledgement that comes after its turn was let go reaches nobody and breaks nothing."""
    async with linked() as link:
        listener = Listener()
        number = put(link.channel, "a", listener)
        link.channel.forget("a", [], [number])
        await link.peer.send(link.peer.rpc.refuse((await link.peer.called("chat/ask")).id, -32603, "too late"))
        await wait_all_tasks_blocked()
        assert listener == Listener()
        assert not link.channel.lost


async def test_stop_is_written_by_a_task_that_is_being_cancelled() -> None:
    """Telling Lingma to stop needs no checkpoint, so a cancelled task can do it on its way out."""
    async with linked() as link:

        async def turn() -> None:
            try:
                await trio.sleep_forever()
            finally:
                link.channel.tell(Request("chat/stop", {"requestId": "a"}))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(turn)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel("the client left")
        stop = await link.peer.called("chat/stop")
        assert stop.params == {"requestId": "a"}
        await link.peer.answer(stop, {})
        await wait_all_tasks_blocked()
        assert repr(link.channel) == IDLE


def socket_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Two ends of a connection through the kernel."""
    left, right = trio.socket.socketpair()
    return trio.SocketStream(left), trio.SocketStream(right)


async def test_messages_keep_their_order_whether_they_wait_or_not() -> None:
    """What the kernel takes leaves at once, the rest when there is room again, whole and one after the other."""
    async with linked(streams=socket_pair) as link:
        with trio.testing.assert_no_checkpoints():
            for number in range(400):
                link.channel.tell(Request("numbered", {"number": number, "text": "x" * 10 * number}))
        assert "unsent=0" not in repr(link.channel)
        for number in range(400):
            assert (await link.peer.called("numbered")).params["number"] == number
        await wait_all_tasks_blocked()
        link.channel.tell(Request("short", {}))
        assert repr(link.channel) == IDLE
        await link.peer.called("short")


async def test_ping_is_answered_while_nothing_else_is_sent() -> None:
    """Whoever asks whether the gateway lives is told, and a message that is on its way stays whole beside that."""
    text = "x" * 4_000_000
    async with linked(streams=socket_pair) as link:
        with trio.fail_after(5):
            await link.peer.socket.ping()
        link.channel.tell(Request("chat/stop", {"text": text}))
        async with trio.open_nursery() as pings:
            for _ in range(3):
                pings.start_soon(link.peer.socket.ping)
            assert (await link.peer.called("chat/stop")).params == {"text": text}


async def test_cancelling_a_caller_cuts_no_frame() -> None:
    """A frame that is half on its way when its caller is cancelled arrives whole, and so does the next."""
    async with linked(streams=lockstep_stream_pair, peer_queue=0) as link:
        text = "x" * 1_000_000
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(link.channel.call, f"long {number}", {"text": text})
            await wait_all_tasks_blocked()
            assert "unsent=0" not in repr(link.channel)
            nursery.cancel_scope.cancel("all callers are gone")
        link.channel.tell(Request("short", {}))
        heard = [await link.peer.event() for _ in range(4)]
        assert sorted(event.method for event in heard if isinstance(event, ServerRequest)) == [
            "long 0", "long 1", "long 2", "short",
        ]  # fmt: skip


async def test_consumer_that_never_takes_stalls_nobody() -> None:
    """A turn whose events pile up keeps neither another turn nor a call from going on."""
    async with linked() as link, trio.open_nursery() as nursery:
        (piled, _), (other, _) = await ask(link, "piled"), await ask(link, "other")
        for _ in range(500):
            await link.peer.push("chat/answer", requestId="piled", text="x")
        await link.peer.push("chat/answer", requestId="other", text="y")
        nursery.start_soon(link.channel.call, "auth/status", {})
        await link.peer.answer(await link.peer.called("auth/status"), {})
        assert len(piled.text) == 500
        assert other.text == "y"


async def test_question_is_refused_while_too_much_is_unsent() -> None:
    """A Lingma that reads too slowly gets no more questions, and the client a moment to wait."""
    channel = RpcChannel(rpc_timeout=1, on_push=lambda _method, _params: None, on_error=lambda _method: None)
    put(channel, "a", Listener(), "x" * MAX_UNSENT)
    await trio.lowlevel.checkpoint()
    with pytest.raises(Unavailable) as refusal:
        channel.register("b", Listener())
    assert refusal.value.retry_after == 5
    assert channel.turns == 1


# --- the end ---------------------------------------------------------------------------------------------------------


async def expect_loss(link: Link, end: Callable[[], Awaitable[None]]) -> None:
    """Let the channel end while calls and turns wait, and see all of them fail and nothing stay."""
    listeners = [(await ask(link, key))[0] for key in "ab"]
    async with trio.open_nursery() as nursery:

        async def call(method: str) -> None:
            with pytest.raises(ChannelLost):
                await link.channel.call(method, {})

        for method in ("auth/status", "config/queryModels"):
            nursery.start_soon(call, method)
            await link.peer.called(method)
        await end()
        await link.ended.wait()
    assert [len(listener.losses) for listener in listeners] == [1, 1]
    assert sorted(link.failed_calls) == ["auth/status", "config/queryModels"]
    assert repr(link.channel) == "<RpcChannel lost calls=0 asks=0 turns=0 unsent=0>"
    with pytest.raises(ChannelLost):
        await link.channel.call("auth/status", {})
    with pytest.raises(ChannelLost):
        link.channel.register("c", Listener())
    assert link.channel.send(Request("chat/ask", {}), Listener()) == 0
    link.channel.tell(Request("chat/stop", {}))
    assert repr(link.channel) == "<RpcChannel lost calls=0 asks=0 turns=0 unsent=0>"


async def test_goodbye_of_the_peer_fails_everything_that_waits() -> None:
    """When Lingma closes the WebSocket, whoever waits learns it at once, and the life ends for that."""
    async with linked() as link:
        await expect_loss(link, link.peer.socket.aclose)
        assert [type(ending) for ending in link.endings] == [ChannelLost]


async def test_vanished_peer_fails_everything_that_waits() -> None:
    """The same without a goodbye, as when the process is killed."""
    async with linked() as link:
        await expect_loss(link, link.vanish)
        assert [type(ending) for ending in link.endings] == [ChannelLost]


@pytest.mark.parametrize("message", [b"{}", b"Content-Length: 3\r\n\r\n{]}"])
async def test_malformed_frame_ends_the_life(message: bytes) -> None:
    """What breaks the protocol ends the channel as a protocol fault; what waits fails as with any other loss."""
    async with linked() as link:

        async def malform() -> None:
            await link.peer.send(message)

        await expect_loss(link, malform)
        assert [type(ending) for ending in link.endings] == [ProtocolFault]


async def test_odd_message_costs_no_turn() -> None:
    """A batch, or an answer to nothing, is warned of once and counted each time; all that waits lives on."""
    async with linked() as link:
        listener, _ = await ask(link, "one")
        with capture_logs() as logs:
            await link.peer.send(
                frame(b'[{"method":"chat/answer","params":{}}]') + frame(b'{"id":99,"result":"whose?"}')
            )
            await link.peer.send(link.peer.rpc.notify("chat/answer", {"requestId": "one", "text": "hi"}))
            await wait_all_tasks_blocked()
        assert [params["text"] for _, params in listener.pushes] == ["hi"]
        assert link.failed_calls == [NO_MESSAGE] * 2
        assert [(entry["log_level"], entry["why"]) for entry in logs] == [
            ("warning", "a message that is no object"),
            ("debug", "a response to a request that was never made"),
        ]


async def test_push_with_an_odd_id_reaches_its_turn() -> None:
    """What it says is part of an answer, whatever the id; and it is answered under that."""
    async with linked() as link:
        listener, _ = await ask(link, "one")
        for odd in (1.5, True, None):
            push = {"id": odd, "method": "chat/answer", "params": {"requestId": "one", "text": str(odd)}}
            await link.peer.send(frame(to_json(push)))
        await wait_all_tasks_blocked()
        assert [params["text"] for _, params in listener.pushes] == ["1.5", "True", "None"]
        assert link.failed_calls == []


async def test_peer_that_reads_nothing_is_lost(autojump_clock: MockClock) -> None:
    """A message that cannot leave for the write timeout ends the channel."""
    pair = memory_stream_pair()
    async with linked(streams=lambda: pair) as link:
        began = trio.current_time()
        pair[0].send_stream.send_all_hook = trio.sleep_forever
        link.channel.tell(Request("chat/stop", {}))
        await link.ended.wait()
        assert WRITE_TIMEOUT <= trio.current_time() - began <= WRITE_TIMEOUT + CLOSE_GRACE
        assert [str(ending) for ending in link.endings] == ["Lingma reads nothing"]


async def test_cancelling_says_goodbye(autojump_clock: MockClock) -> None:
    """A channel that is cancelled closes the WebSocket properly and in bounded time."""
    async with linked() as link:
        listener, _ = await ask(link, "a")
        began = trio.current_time()
        link.scope.cancel("the gateway is stopping")
        await link.ended.wait()
        assert trio.current_time() - began <= CLOSE_GRACE
        assert len(listener.losses) == 1
        await wait_all_tasks_blocked()
        assert link.peer.socket.closed is not None
        assert link.peer.socket.closed.code == 1000


class BareWebSocket:
    """A server's end of a WebSocket that sends what it is told, also what a proper one would not send by then."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._wire = WSConnection(ConnectionType.SERVER)

    async def until(self, kind: type[Event]) -> None:
        """Read until the client has sent an event of this kind."""
        while not any(isinstance(event, kind) for event in self._wire.events()):
            self._wire.receive_data(bytes(await self._stream.receive_some()))

    async def send(self, event: Event) -> None:
        await self._stream.send_all(self._wire.send(event))

    async def ping(self) -> None:
        """Send a ping as it would look without knowing that the client has said goodbye."""
        await self._stream.send_all(b"\x89\x00")


async def test_ping_while_closing_costs_only_the_life(autojump_clock: MockClock) -> None:
    """A ping that crosses our goodbye is one more ending of a life; no cancellation leaks out of it."""
    ours, theirs = memory_stream_pair()
    channel = RpcChannel(rpc_timeout=1, on_push=lambda _method, _params: None, on_error=lambda _method: None)

    async def live() -> None:
        async with trio.open_nursery() as life:
            socket = await shake_hands(ours, "lingma")
            await life.start(channel.run, socket)

    async def be_lingma() -> None:
        peer = BareWebSocket(theirs)
        await peer.until(ws.Request)
        await peer.send(AcceptConnection())
        await peer.send(TextMessage("{}"))
        await peer.until(CloseConnection)
        await peer.ping()

    causes: list[Exception] = []
    with trio.move_on_after(10) as patience:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(be_lingma)
            backoff = Backoff(first=100, cap=100)
            await supervise(live, backoff, on_end=lambda cause, _pause: causes.append(cause), stood=lambda: 0.0)
    assert patience.cancelled_caught
    assert [type(cause) for cause in causes] == [ProtocolFault]


async def test_error_that_may_be_of_several_is_told_to_each_as_a_doubt() -> None:
    """It ends none of them; where nobody is asked it is a push like others."""
    async with linked() as link:
        await link.peer.push("error", message="broken")
        await wait_all_tasks_blocked()
        listeners = [(await ask(link, key))[0] for key in ("a", "b")]
        await link.peer.push("error", message="broken")
        await wait_all_tasks_blocked()
        assert [listener.doubts for listener in listeners] == [[{"message": "broken"}]] * 2
        assert [listener.pushes for listener in listeners] == [[], []]
        assert len(link.pushes) == 2


async def test_turn_that_ends_makes_room() -> None:
    """One that was not there does not."""
    async with linked() as link:
        rooms: list[int] = []
        link.channel.on_room = lambda: rooms.append(link.channel.turns)
        await ask(link, "a")
        await wait_all_tasks_blocked()
        rooms.clear()
        link.channel.forget("b", (), ())
        assert rooms == []
        link.channel.forget("a", (), ())
        assert rooms == [0]


def test_dialect_is_changed_where_it_was_a_guess() -> None:
    """As often as it may be; whoever asked in the one before is told that there is another now."""
    channel = RpcChannel(rpc_timeout=1, on_push=lambda *_: None, on_error=lambda _: None)
    assert not channel.unknown("chat")
    assert channel.terms.dialect == "chat"
    channel.terms = Terms("chat", changes=1)
    assert channel.unknown("chat")
    assert channel.terms == Terms("session", changes=0)
    assert channel.unknown("chat")
    assert not channel.unknown("session")
    assert channel.terms == Terms("session", changes=0)


async def test_upstream_that_asks_for_more_than_it_reads_is_lost() -> None:
    """What waits for it is bounded."""
    await trio.lowlevel.checkpoint()
    channel = RpcChannel(rpc_timeout=1, on_push=lambda *_: None, on_error=lambda _: None)
    channel.answer(1, Result({"text": "x" * MOST_UNSENT}))
    with pytest.raises(ChannelLost, match="Lingma asks for more than it reads"):
        channel.answer(2, Result())


async def test_what_is_no_message_is_told() -> None:
    """To whoever listens for it, where upstream speaks in lines; the next message is heard all the same."""
    junk: list[Junk] = []
    pushes: list[str] = []
    channel = RpcChannel(
        rpc_timeout=1,
        on_push=lambda method, _: pushes.append(method),
        on_error=lambda _: None,
        manners=ACP,
        on_junk=junk.append,
    )
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(channel.run, PipeTransport(ours))
        await theirs.send_all(b'a banner\n{"jsonrpc": "2.0", "method": "hello", "params": {}}\n')
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("the test is over")
    assert [each.text for each in junk] == ["a banner"]
    assert pushes == ["hello"]
