"""Service: the calls around the chat, the order they must come in, and what a client may do wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio_websocket import ConnectionClosed

from lingma_trio.protocol.jsonrpc import ErrorResponse, ServerRequest
from tests.simulator.support import simulated

if TYPE_CHECKING:
    from pathlib import Path

    import trio.testing


async def test_initialize_comes_first(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Anything before it is an error; it can be repeated."""
    async with simulated(tmp_path) as house:
        caller = await house.connect(initialize=False)
        assert isinstance(await caller.reply("auth/status"), ErrorResponse)
        for _ in range(2):
            assert (await caller.call("initialize"))["serverInfo"]["name"] == "lingma"
        assert (await caller.call("auth/status"))["status"] == 2


async def test_before_initialize_there_can_be_silence(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """A request gets no reply at all."""
    async with simulated(tmp_path, "before_initialize=silence") as house:
        caller = await house.connect(initialize=False)
        with trio.move_on_after(60) as waiting:
            await caller.reply("auth/status")
        assert waiting.cancelled_caught
        await caller.call("initialize")


async def test_an_unknown_method_is_an_error_and_notifications_are_not(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """As JSON-RPC has it, and `initialized` is ignored."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        reply = await caller.reply("session/new")
        assert isinstance(reply, ErrorResponse)
        assert reply.code == -32601
        await caller.send(caller.connection.notify("initialized", {}))
        await caller.send(caller.connection.notify("unknown", {}))
        assert await caller.call("ping") == {"success": True}


async def test_looks_at_the_login_can_be_refused_or_left_unanswered(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Each but the first, so that a start succeeds; everything else is answered."""
    async with simulated(tmp_path / "refused", "looks=refused") as house:
        caller = await house.connect()
        assert (await caller.call("auth/status"))["status"] == 2
        assert isinstance(await caller.reply("auth/status"), ErrorResponse)
    async with simulated(tmp_path / "silent", "looks=silent") as house:
        caller = await house.connect()
        assert (await caller.call("auth/status"))["status"] == 2
        with trio.move_on_after(60) as waiting:
            await caller.reply("auth/status")
        assert waiting.cancelled_caught
        assert await caller.call("ping") == {"success": True}


async def test_quota_is_told_as_asked_for(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """None, as most accounts have it, or so much."""
    async with simulated(tmp_path / "none") as house:
        assert (await (await house.connect()).call("auth/status"))["quota"] == 0
    async with simulated(tmp_path / "some", "quota=300") as house:
        assert (await (await house.connect()).call("auth/status"))["quota"] == 300


async def test_plan_is_told_refused_or_unknown(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """In each way that a Lingma may have; a refusal is what accounts without one get."""
    async with simulated(tmp_path / "told", "plan=told") as house:
        assert (await (await house.connect()).call("user/plan"))["planName"] == "Simulated"
    for way, code in (("refused", -32603), ("unknown", -32601)):
        async with simulated(tmp_path / way, f"plan={way}") as house:
            reply = await (await house.connect()).reply("user/plan")
            assert isinstance(reply, ErrorResponse)
            assert reply.code == code
    async with simulated(tmp_path / "silent", "plan=silent") as house:
        caller = await house.connect()
        with trio.move_on_after(60) as waiting:
            await caller.reply("user/plan")
        assert waiting.cancelled_caught


@pytest.mark.parametrize(("form", "keys"), [("models=normal", "key"), ("models=alternative", "id")])
async def test_models_are_listed(tmp_path: Path, autojump_clock: trio.testing.MockClock, form: str, keys: str) -> None:
    """In scenes, with the keys of the knob."""
    async with simulated(tmp_path, form) as house:
        models = await (await house.connect()).call("config/queryModels")
        assert [model[keys] for model in models["chat"]][:2] == ["auto", "org_auto"]


async def test_models_can_be_missing(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """With the knob, and while signed out."""
    async with simulated(tmp_path / "empty", "models=empty") as house:
        assert await (await house.connect()).call("config/queryModels") == {}
    async with simulated(tmp_path / "out", "login=out") as house:
        assert await (await house.connect()).call("config/queryModels") == {}


async def test_the_login_is_as_the_knob_says(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """In, out, or as the files have it; signed in leaves files that the next process finds."""
    expected = {"login=out": 1, "login=files": 1, "login=in": 2}
    for word, status in expected.items():
        async with simulated(tmp_path, word) as house:
            assert (await (await house.connect()).call("auth/status"))["status"] == status
    async with simulated(tmp_path, "login=files") as house:
        assert (await (await house.connect()).call("auth/status"))["status"] == 2


async def test_signing_in_and_out_is_told_to_everybody(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The callback's nonce works once; each change is pushed to every client and kept in the files."""
    async with simulated(tmp_path, "login=out") as house:
        caller, other = await house.connect(), await house.connect()
        assert "/lingma/login?" in (await caller.call("auth/login"))["url"]
        callback = {"nonce": (await caller.call("login/generateUrl"))["nonce"], "auth": "a", "tokenString": "t"}
        assert (await caller.call("login/auth_callback", callback | {"auth": ""}))["success"] is False
        assert (await caller.call("login/auth_callback", callback))["success"] is True
        assert (await other.push()).params["status"] == 2
        assert (tmp_path / "cache" / "user").exists()
        assert (await caller.call("login/auth_callback", callback))["success"] is False
        assert (await caller.call("auth/logout"))["success"] is True
        assert (await other.push()).params["status"] == 1
        assert not (tmp_path / "cache" / "user").exists()


async def test_the_endpoint_can_be_changed(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """And is remembered."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        assert await caller.call("config/getEndpoint") == {"endpoint": ""}
        await caller.call("config/updateEndpoint", {"endpoint": "https://example.test"})
        assert await caller.call("config/getEndpoint") == {"endpoint": "https://example.test"}


async def test_stats_count_what_arrived(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Tests of a client read them to see what it sent."""
    async with simulated(tmp_path, "first=0", "gap=0", "deltas=4", "empties=0") as house:
        caller = await house.connect()
        await caller.answer("hi")
        assert await caller.call("sim/stats") == {
            "asks": 1,
            "stops": 0,
            "active": 0,
            "sessions": 1,
            "clients": 1,
            "pushes": 2 + 4 + 2,
        }


async def test_noise_concerns_no_answer(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """It comes at its interval to every client, and one kind of it wants a reply."""
    async with simulated(tmp_path, "noise=10") as house:
        caller = await house.connect()
        began = trio.current_time()
        events = [await caller.event() for _ in range(3)]
        assert [push.method for push in caller.pushes] == [
            "extension/register",
            "session/title/update",
            "config/refreshModels",
        ]
        assert [push.at - began for push in caller.pushes] == pytest.approx([10, 20, 30], abs=1)
        assert isinstance(events[0], ServerRequest)


@pytest.mark.parametrize(
    "words",
    [
        ("ids=1",),
        ("coalesce=5",),
        ("split=7",),
        ("binary=1",),
        ("binary=1", "split=3"),
        ("lower_case_header=1",),
        ("content_type=1",),
        ("ids=1", "coalesce=3", "split=50", "content_type=1"),
    ],
    ids=" ".join,
)
async def test_an_answer_survives_every_dialect(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, words: tuple[str, ...]
) -> None:
    """The same text arrives whatever the wire looks like, in Chinese too."""
    async with simulated(tmp_path, *words) as house:
        caller = await house.connect()
        answer = await caller.answer("你好,世界")
        assert "你好,世界" in answer.text
        assert answer.text == answer.finish["fullAnswer"]
        assert all(isinstance(message, bytes) is ("binary=1" in words) for message in caller.messages)


async def test_frames_share_messages(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """With `coalesce` a paced answer comes in fewer messages than frames."""
    async with simulated(tmp_path, "coalesce=5", "deltas=50", "empties=0") as house:
        caller = await house.connect()
        answer = await caller.answer("hi")
        assert len(answer.deltas) == 50
        assert len(caller.messages) <= 15


async def test_json_without_a_header_is_dropped(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """In silence but for the log; the connection goes on."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        await caller.websocket.send_message('{"jsonrpc":"2.0","id":9,"method":"ping"}')
        assert await caller.call("ping") == {"success": True}
        assert "Unknown message header" in (tmp_path / "logs" / "lingma.log").read_text()


async def test_a_client_that_breaks_the_protocol_is_cut_off(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """It alone: the others do not notice."""
    async with simulated(tmp_path) as house:
        caller, other = await house.connect(), await house.connect()
        await caller.websocket.send_message("Content-Length: many\r\n\r\n{}")
        with pytest.raises(ConnectionClosed):
            await caller.event()
        assert (await other.call("sim/stats"))["clients"] == 1


@pytest.mark.parametrize("fault", ["drop_mid", "malformed_mid", "malformed_ask"])
async def test_a_connection_can_go_wrong_without_a_crash(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, fault: str
) -> None:
    """It is dropped without a close frame, or carries something that is no frame."""
    async with simulated(tmp_path, "first=0", "gap=0") as house:
        caller = await house.connect()
        await caller.ask(f"#simulate fault={fault}")
        if fault == "drop_mid":
            with pytest.raises(ConnectionClosed) as closed:
                await caller.rest()
            assert closed.value.reason is not None
            assert closed.value.reason.code == 1006
        else:
            messages: list[str | bytes] = []
            while "Content-Length: many" not in str(messages[-1:]):
                messages.append(await caller.websocket.get_message())
            assert (len(messages) > 3) is (fault == "malformed_mid")
        assert house.crashes == []
        assert (await (await house.connect()).call("sim/stats"))["active"] == 0


async def test_a_deaf_simulator_goes_on_talking(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """It answers the question that made it deaf, and hears nothing after it."""
    async with simulated(tmp_path) as house:
        caller = await house.connect()
        assert (await caller.answer("#simulate fault=deaf_ask")).finish["statusCode"] == 200
        with trio.move_on_after(60) as waiting:
            await caller.call("ping")
        assert waiting.cancelled_caught


async def test_a_handshake_can_be_slow(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """It is answered after the knob's time."""
    async with simulated(tmp_path, "accept_delay=7") as house:
        began = trio.current_time()
        await house.connect()
        assert trio.current_time() - began == pytest.approx(7)


@pytest.mark.parametrize("fault", ["crash_connect", "crash_initialize"])
async def test_a_crash_can_come_with_a_client(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, fault: str
) -> None:
    """When it connects, or when it initializes."""
    async with simulated(tmp_path, f"fault={fault}") as house:
        caller = await house.connect(initialize=False)
        assert len(house.crashes) == (fault == "crash_connect")
        await caller.call("initialize")
        assert len(house.crashes) == 1


@pytest.mark.parametrize("word", ["ping_before_close=0", "ping_before_close=1"])
async def test_goodbye_closes_the_websockets(tmp_path: Path, autojump_clock: trio.testing.MockClock, word: str) -> None:
    """With a close frame, and right before it a ping where the knob wants it."""
    async with simulated(tmp_path, word) as house:
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.lingma.serve, theirs)
            await ours.send_all(HANDSHAKE)
            assert (await ours.receive_some()).startswith(b"HTTP/1.1 101 ")
            await house.lingma.say_goodbye()
            frames = await ours.receive_some()
            assert frames == (b"\x89\x00" if word[-1] == "1" else b"") + b"\x88\x02" + (1001).to_bytes(2, "big")
            await ours.aclose()


async def test_whoever_speaks_no_websocket_is_turned_away(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Without harm to anybody else."""
    async with simulated(tmp_path) as house:
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.lingma.serve, theirs)
            await ours.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while await ours.receive_some():
                pass
        assert (await (await house.connect()).call("sim/stats"))["clients"] == 1


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
