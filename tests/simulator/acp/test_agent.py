"""The agent's calls: it checks what it is sent, and says what is wrong as real agents do."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.simulator.acp.support import QUICK, Book, agent


async def test_a_turn_and_one_that_remembers(autojump_clock: object) -> None:
    """Chunks as updates, then the response; the session knows what came before."""
    async with agent(*QUICK) as peer:
        session = await peer.open()
        first = await peer.turn(session, "Hello")
        assert "You said: “Hello”" in first.text
        assert first.stop_reason == "end_turn"
        assert first.updates[-1]["sessionUpdate"] == "usage_update"
        assert "“Hello”" in (await peer.turn(session, "What did I say first?")).text
        assert "“Hello”" not in (await peer.turn(await peer.open(), "What did I say first?")).text
        assert peer.book.complaints == []


async def test_initialize_comes_first_and_once(autojump_clock: object) -> None:
    """And names the version."""
    async with agent(initialize=False) as peer:
        assert await peer.refused("session/new", cwd="/", mcpServers=[]) == -32600
        assert await peer.refused("initialize") == -32602
        await peer.call("initialize", protocolVersion=1)
        assert await peer.refused("initialize", protocolVersion=1) == -32602


@pytest.mark.parametrize(
    "params",
    [{}, {"cwd": "work", "mcpServers": []}, {"cwd": "/"}, {"cwd": "/", "mcpServers": {}}],
    ids=["nothing", "relative", "no servers", "no list"],
)
async def test_a_session_needs_an_absolute_directory_and_servers(
    autojump_clock: object, params: dict[str, Any]
) -> None:
    """Neither is guessed."""
    async with agent() as peer:
        assert await peer.refused("session/new", **params) == -32602


@pytest.mark.parametrize(("word", "code"), [("new=refused", -32603), ("new=auth", -32000)])
async def test_a_session_can_be_refused(autojump_clock: object, word: str, code: int) -> None:
    """With an error of the agent's, or with the one that asks for a login."""
    async with agent(word) as peer:
        assert await peer.refused("session/new", cwd="/", mcpServers=[]) == code


async def test_a_session_can_take_its_time(autojump_clock: object) -> None:
    """What is asked meanwhile is answered; the commands are told once it is there."""
    async with agent("new_delay=30") as peer:
        began = trio.current_time()
        number = await peer.ask("session/new", cwd="/", mcpServers=[])
        assert await peer.refused("nonsense") == -32601
        assert trio.current_time() == began
        assert (await peer.message())["id"] == number
        assert trio.current_time() == pytest.approx(began + 30)
        assert (await peer.message())["params"]["update"]["sessionUpdate"] == "available_commands_update"


async def test_a_session_can_be_never_answered(autojump_clock: object) -> None:
    """Nor is anything told of it."""
    async with agent("new=silent") as peer:
        await peer.ask("session/new", cwd="/", mcpServers=[])
        with trio.move_on_after(100) as waited:
            await peer.message()
        assert waited.cancelled_caught


@pytest.mark.parametrize("where", ["initialize", "new", "prompt"])
@pytest.mark.parametrize("token", [None, "", "wrong", "b"])
async def test_a_token_opens(autojump_clock: object, where: str, token: str | None) -> None:
    """One of those that are known; any other is refused where the knob says, and after `authenticate` too."""
    words = ("tokens=a;b", "token_variable=X", f"token_at={where}", *QUICK)
    async with agent(*words, token=token, initialize=False) as peer:
        replies = {"initialize": await peer.reply("initialize", protocolVersion=1)}
        if "result" in replies["initialize"]:
            assert "X" in replies["initialize"]["result"]["authMethods"][0]["description"]
            assert ("result" in await peer.reply("authenticate", methodId="token")) is (token == "b")
            replies["new"] = await peer.reply("session/new", cwd="/", mcpServers=[])
        if "result" in replies.get("new", {}):
            replies["prompt"] = (await peer.turn(replies["new"]["result"]["sessionId"], "Hello")).response
        codes = {name: reply["error"]["code"] for name, reply in replies.items() if "error" in reply}
        assert codes == ({} if token == "b" else {where: -32000})


async def test_a_login_can_expire(autojump_clock: object) -> None:
    """After so many prompts."""
    async with agent(*QUICK, "login_lasts=1") as peer:
        session = await peer.open()
        assert (await peer.turn(session, "Hello")).stop_reason == "end_turn"
        assert (await peer.turn(session, "Hello")).response["error"]["code"] == -32000


async def test_a_cancel_as_a_request_is_refused_and_the_turn_goes_on(autojump_clock: object) -> None:
    """It is a notification; as one, it ends the turn."""
    async with agent("first=10", "gap=1") as peer:
        session = await peer.open()
        number = await peer.prompt(session, "Hello")
        assert await peer.refused("session/cancel", sessionId=session) == -32601
        assert (await peer.message())["method"] == "session/update"
        await peer.cancel(session)
        assert (await peer.rest(number)).stop_reason == "cancelled"
        assert peer.book.complaints == ['"Method not found": session/cancel']


@pytest.mark.parametrize(
    ("word", "code"), [("unknown=invalid", -32602), ("unknown=not_found", -32002), ("unknown=internal", -32603)]
)
async def test_what_is_closed_is_unknown(autojump_clock: object, word: str, code: int) -> None:
    """Closing cancels what runs; each agent has its own code for a session that is not there."""
    async with agent("gap=1", word) as peer:
        session = await peer.open()
        number = await peer.prompt(session, "Hello")
        closing = await peer.ask("session/close", sessionId=session)
        assert (await peer.message())["method"] == "session/update"
        turn = await peer.rest(closing)
        assert turn.response["result"] == {}
        assert (await peer.rest(number)).stop_reason == "cancelled"
        assert await peer.refused("session/close", sessionId=session) == code
        assert (await peer.turn(session, "Hello")).response["error"]["code"] == code
        assert await peer.refused("session/set_mode", sessionId=session, modeId="plan") == code


async def test_sessions_can_be_loaded_resumed_and_listed(autojump_clock: object) -> None:
    """Loading replays the questions before it answers; resuming does not. Both want a directory again."""
    async with agent(*QUICK, "load=1", "resume=1", "listing=1") as peer:
        session = await peer.open()
        await peer.turn(session, "Hello")
        number = await peer.ask("session/load", sessionId=session, cwd="/", mcpServers=[])
        assert [update["content"]["text"] for update in (await peer.rest(number)).updates] == ["Hello"]
        number = await peer.ask("session/resume", sessionId=session, cwd="/", mcpServers=[])
        assert (await peer.rest(number)).updates == []
        assert (await peer.call("session/list"))["sessions"] == [{"sessionId": session, "cwd": "/"}]
        assert await peer.refused("session/load", sessionId=session) == -32602


@pytest.mark.parametrize("blank", ["", "\n", "  \r\n"])
async def test_lines_that_are_no_message_are_answered_and_harm_nobody(autojump_clock: object, blank: str) -> None:
    """Without an id, since none could be read; blank lines are passed over."""
    async with agent(*QUICK) as peer:
        await peer.stream.send_all(blank.encode() + b"nonsense\n")
        refused = await peer.message()
        assert ("id" in refused, refused["error"]["code"]) == (False, -32700)
        assert (await peer.turn(await peer.open(), "Hello")).stop_reason == "end_turn"


async def test_what_nobody_asked_for_is_complained_of(autojump_clock: object) -> None:
    """A reply to no request, an unknown notification, and a cancel for no session."""
    async with agent() as peer:
        await peer.send(id=7, result={})
        await peer.send(method="initialized", params={})
        await peer.cancel("nobody")
        await peer.open()
        assert peer.book.complaints == ["a reply to no request", "not a notification: initialized", "Session not found"]


async def test_a_record_holds_what_a_prompt_begins_with(autojump_clock: object) -> None:
    """And how much follows: whoever reads it knows whether anything of a client's came first."""
    async with agent(*QUICK) as peer:
        session = await peer.open()
        number = await peer.prompt(session, "Hello")
        await peer.rest(number)
        assert peer.book.entries[-1] == {
            "id": number,
            "method": "session/prompt",
            "session": session,
            "first": {"type": "text", "text": "Answer."},
            "others": 1,
            "length": len("Hello"),
        }


async def test_a_client_can_be_read_slowly(autojump_clock: object) -> None:
    """A pause before each piece."""
    async with agent("read_delay=1", *QUICK) as peer:
        began = trio.current_time()
        await peer.turn(await peer.open(), "x" * 40_000)
        assert trio.current_time() - began > 10


@pytest.mark.parametrize("word", ["fault=crash_initialize", "fault=crash_new"])
async def test_a_fault_strikes_as_often_as_it_is_to(autojump_clock: object, word: str) -> None:
    """Counted beyond the life of a process."""
    book = Book()
    for crashes in (True, False):
        async with agent(*QUICK, word, "fault_times=1", initialize=False, book=book) as peer:
            number = await peer.ask("initialize", protocolVersion=1)
            try:
                await peer.rest(number)
                await peer.open()
            except EOFError:
                assert crashes
            else:
                assert not crashes
