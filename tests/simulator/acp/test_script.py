"""Script: what a turn looks like on the wire, for the knobs of an answer."""

from __future__ import annotations

import pytest
import trio

from tests.simulator.acp.support import QUICK, agent


@pytest.mark.parametrize("word", ["ends=max_tokens", "ends=max_turn_requests", "ends=refusal", "ends=cancelled"])
async def test_a_turn_ends_for_a_reason(autojump_clock: object, word: str) -> None:
    """After its text, but for a refusal."""
    async with agent(*QUICK, word) as peer:
        turn = await peer.turn(await peer.open(), "Hello")
        assert turn.stop_reason == word.removeprefix("ends=")
        assert bool(turn.text) is (word != "ends=refusal")


async def test_a_turn_can_end_without_a_text(autojump_clock: object) -> None:
    """As agents do that have swallowed what they were told, or whose model has no room left."""
    async with agent(*QUICK, "finish=no_text", "ends=max_tokens") as peer:
        turn = await peer.turn(await peer.open(), "Hello")
        assert (turn.stop_reason, turn.text) == ("max_tokens", "")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("reason=no",), {"code": -32603, "message": "Internal error", "data": {"details": "no"}}),
        (("reason=no", "data=message"), {"code": -32603, "message": "Internal error", "data": {"message": "no"}}),
        (("reason=no", "data=text"), {"code": -32603, "message": "Internal error", "data": "no"}),
        (("data=none",), {"code": -32603, "message": "Internal error"}),
        (("reason=no", "error=status", "data=none"), {"code": 500, "message": "no"}),
        (("error=auth", "data=none"), {"code": -32000, "message": "Authentication required"}),
        (("status=401", "data=none"), {"code": -32000, "message": "Authentication required"}),
    ],
)
@pytest.mark.parametrize("partial", [False, True])
async def test_a_turn_can_end_with_an_error(
    autojump_clock: object, words: tuple[str, ...], error: dict[str, object], partial: bool
) -> None:
    """Before any text or after half of it; the reason is in the data, or where the agent has it."""
    async with agent(*QUICK, "status=500", *words, f"partial={int(partial)}") as peer:
        turn = await peer.turn(await peer.open(), "Hello")
        assert turn.response["error"] == error
        assert bool(turn.text) is partial


async def test_what_was_filtered_is_a_refusal(autojump_clock: object) -> None:
    """As with Lingma's own status."""
    async with agent(*QUICK, "status=601") as peer:
        assert (await peer.turn(await peer.open(), "Hello")).stop_reason == "refusal"


async def test_text_that_is_not_the_models(autojump_clock: object) -> None:
    """A warning before the answer, and the error in words."""
    async with agent(*QUICK) as peer:
        session = await peer.open()
        assert (await peer.turn(session, "#simulate aside=warning")).text.startswith("Model metadata")
        turn = await peer.turn(session, "#simulate aside=error status=500")
        assert (turn.text, turn.response["error"]["code"]) == ("[Error] 500 Internal Server Error", -32603)


@pytest.mark.parametrize(
    ("word", "usage"),
    [
        ("usage=absent", None),
        ("usage=zero", {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}),
        ("usage=present", {"inputTokens": 7600, "outputTokens": 1, "totalTokens": 7601}),
    ],
)
async def test_usage_may_be_told(autojump_clock: object, word: str, usage: object) -> None:
    """With the response; all zeros is what one agent sends."""
    async with agent(*QUICK, word) as peer:
        turn = await peer.turn(await peer.open(), "#simulate say=Yes")
        assert turn.response["result"].get("usage") == usage


async def test_chunks(autojump_clock: object) -> None:
    """Empty ones amid, a number of each, thoughts of their own, and ids where the knob says."""
    async with agent("first=1", "gap=0.5", "scale=2") as peer:
        session = await peer.open()
        began = trio.current_time()
        turn = await peer.turn(session, "#simulate deltas=30 chars=40 empties=10 message_ids=1 reasoning=push")
        assert trio.current_time() - began >= 2 + 29
        assert len([chunk for chunk in turn.chunks if chunk]) == 30
        assert "" in turn.chunks
        assert max(map(len, turn.chunks)) == 40
        assert {each["messageId"] for each in turn.updates if "content" in each} == {"message-3"}
        thoughts = turn.of_kind("agent_thought_chunk")
        assert "".join(each["content"]["text"] for each in thoughts).startswith("The user said")
        assert "messageId" not in (await peer.turn(session, "Hello")).of_kind("agent_message_chunk")[0]


async def test_calls_are_written_as_for_any_simulator(autojump_clock: object) -> None:
    """In the form that is asked for, or quoted from the question."""
    async with agent(*QUICK) as peer:
        session = await peer.open()
        turn = await peer.turn(session, "#simulate say=So. call=get form=plain_json")
        assert turn.text == 'So.\n\n```json\n{"tool":"get","arguments":{}}\n```'
        assert "```" in (await peer.turn(session, "```x\ny\n```\n#simulate quote=last")).text


@pytest.mark.parametrize("word", ["commands=never", "commands=soon", "commands=late"])
async def test_commands_are_told(autojump_clock: object, word: str) -> None:
    """After the session was made, in its answer, or never."""
    async with agent(*QUICK, word) as peer:
        session = await peer.open()
        number = await peer.ask("session/set_mode", sessionId=session, modeId="plan")
        soon = (await peer.rest(number)).of_kind("available_commands_update")
        late = (await peer.turn(session, "Hello")).of_kind("available_commands_update")
        assert (bool(soon), bool(late)) == (word == "commands=soon", word == "commands=late")


async def test_strays_and_long_lines(autojump_clock: object) -> None:
    """A response that answers nothing, and an update of any length, harm nobody who is prepared."""
    async with agent(*QUICK) as peer:
        session = await peer.open()
        turn = await peer.turn(session, "#simulate stray=1 long_line=100000")
        assert turn.stop_reason == "end_turn"
        assert max(map(len, peer.lines)) > 100_000
        assert any(b'"id":4000000000' in line for line in peer.lines)


@pytest.mark.parametrize(
    ("word", "some"),
    [
        ("fault=crash_ask", False),
        ("fault=crash_first_delta", True),
        ("fault=crash_mid", True),
        ("fault=crash_finish", True),
        ("fault=drop_mid", True),
        ("fault=half_line_mid", True),
    ],
)
async def test_the_stream_can_end(autojump_clock: object, word: str, some: bool) -> None:
    """Before anything was said, amid, in the middle of a line, or in place of the response."""
    async with agent(*QUICK, word) as peer:
        session = await peer.open()
        await peer.prompt(session, "Hello")
        with pytest.raises(EOFError) as ended:
            await peer.rest(0)
        assert any(b"agent_message_chunk" in line for line in peer.lines) is some
        assert bool(ended.value.args[0]) is (word == "fault=half_line_mid")


@pytest.mark.parametrize("word", ["fault=stall_first", "fault=stall_mid", "fault=busy_mid"])
async def test_a_turn_can_hang(autojump_clock: object, word: str) -> None:
    """In silence, or with updates that say nothing; a cancel still ends it."""
    async with agent(*QUICK, word) as peer:
        session = await peer.open()
        number = await peer.prompt(session, "Hello")
        with trio.move_on_after(100) as waited:
            await peer.rest(number)
        assert waited.cancelled_caught
        await peer.cancel(session)
        assert (await peer.rest(number)).stop_reason == "cancelled"


@pytest.mark.parametrize("word", ["fault=malformed_ask", "fault=malformed_mid"])
async def test_what_is_sent_can_be_no_message(autojump_clock: object, word: str) -> None:
    """It is JSON all the same."""
    async with agent(*QUICK, word) as peer:
        await peer.prompt(await peer.open(), "Hello")
        while (await peer.message()).get("method") != 7:
            pass


async def test_an_agent_can_stop_reading(autojump_clock: object) -> None:
    """The turn is answered; nothing after it is."""
    async with agent(*QUICK, "fault=deaf_ask") as peer:
        session = await peer.open()
        assert (await peer.turn(session, "Hello")).stop_reason == "end_turn"
        await peer.prompt(session, "Hello")
        with trio.move_on_after(100) as waited:
            await peer.message()
        assert waited.cancelled_caught


async def test_lines_can_look_otherwise(autojump_clock: object) -> None:
    """CRLF at their ends, and lines between that are no JSON."""
    async with agent(*QUICK, "crlf=1", "junk=2") as peer:
        turn = await peer.turn(await peer.open(), "#simulate deltas=200")
        assert turn.stop_reason == "end_turn"
        assert all(line.endswith(b"\r\n") for line in peer.lines)
        assert any(not line.startswith(b"{") for line in peer.lines)
