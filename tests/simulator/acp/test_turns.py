"""Turns: how they are cancelled, wait for each other, run commands and go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from tests.simulator.acp.support import QUICK, Turn, agent

if TYPE_CHECKING:
    from pathlib import Path

SLOW = ("first=10", "gap=1", "empties=0")


@pytest.mark.parametrize(
    ("word", "reason", "late"),
    [
        ("stop=finish", "cancelled", 0),
        ("stop=end_turn", "end_turn", 0),
        ("stop=late_chunks", "cancelled", 2),
        ("stop=waits", "cancelled", 0),
    ],
)
async def test_a_cancel_is_answered(autojump_clock: object, word: str, reason: str, late: int) -> None:
    """After its time, with `cancelled` or as if nothing had been, and with or without more text."""
    async with agent(*SLOW, word, "stop_after=2") as peer:
        session = await peer.open()
        number = await peer.prompt(session, "Hello")
        began = trio.current_time()
        await peer.cancel(session)
        turn = await peer.rest(number)
        assert (turn.stop_reason, len(turn.chunks)) == (reason, late)
        assert trio.current_time() - began == pytest.approx(2 + late, abs=0.01)


async def test_a_cancel_can_be_answered_with_an_error_or_never(autojump_clock: object) -> None:
    """One that is never answered leaves the session busy."""
    async with agent(*SLOW) as peer:
        session = await peer.open()
        number = await peer.prompt(session, "#simulate stop=error")
        await peer.cancel(session)
        assert (await peer.rest(number)).response["error"]["code"] == -32603
        await peer.prompt(session, "#simulate stop=silence")
        await peer.cancel(session)
        await peer.prompt(session, "Hello")
        with trio.move_on_after(100) as waited:
            await peer.rest(0)
        assert waited.cancelled_caught


@pytest.mark.parametrize(("word", "remembered"), [("history=kept", "First"), ("history=dropped", "Second")])
async def test_a_cancelled_question_stays_or_not(autojump_clock: object, word: str, remembered: str) -> None:
    """In what the session holds."""
    async with agent(*SLOW, word) as peer:
        session = await peer.open()
        number = await peer.prompt(session, "First")
        await peer.cancel(session)
        await peer.rest(number)
        await peer.turn(session, "Second")
        assert f"“{remembered}”" in (await peer.turn(session, "What did I say first?")).text


BUSY = {
    "busy=queued": ("end_turn", "end_turn"),
    "busy=displaced": ("cancelled", "end_turn"),
    "busy=refused": (None, "end_turn"),
    "busy=unanswered": ("end_turn", ""),
}


@pytest.mark.parametrize("word", BUSY)
async def test_a_second_prompt_finds_a_busy_session(autojump_clock: object, word: str) -> None:
    """It waits, ends the first in one way or another, or is never answered."""
    async with agent(*SLOW, word) as peer:
        session = await peer.open()
        first = await peer.prompt(session, "First")
        second = await peer.prompt(session, "Second")
        ended = (await peer.rest(first)).response
        then: Turn | None = None
        with trio.move_on_after(100):
            then = await peer.rest(second)
        assert (ended.get("result", {}).get("stopReason"), then.stop_reason if then else "") == BUSY[word]
        assert ("error" in ended) == (word == "busy=refused")


async def test_a_cancel_ends_what_waits_too(autojump_clock: object) -> None:
    """In the order in which it was asked, the waiting one first."""
    async with agent(*SLOW) as peer:
        session = await peer.open()
        await peer.prompt(session, "First")
        second = await peer.prompt(session, "Second")
        await peer.cancel(session)
        assert (await peer.rest(second)).stop_reason == "cancelled"
        assert (await peer.message())["result"] == {"stopReason": "cancelled"}


async def test_sessions_are_answered_at_once(autojump_clock: object) -> None:
    """Eight of them in the time of one, and a ninth is too many."""
    async with agent(*SLOW, "deltas=5", "limit=8", "error=status", "data=none") as peer:
        sessions = [await peer.open() for _ in range(9)]
        began = trio.current_time()
        numbers = [await peer.prompt(session, "Hello") for session in sessions]
        replies: dict[int, dict[str, Any]] = {}
        while len(replies) < 9:
            message = await peer.message()
            if message.get("id") in numbers:
                replies[message["id"]] = message
        assert replies[numbers[-1]]["error"] == {
            "code": 429,
            "message": "429 Too Many Requests: rate limit exceeded, try again later",
        }
        assert {reply["result"]["stopReason"] for number, reply in replies.items() if number != numbers[-1]} == {
            "end_turn"
        }
        assert trio.current_time() - began == pytest.approx(14, abs=0.1)


@pytest.mark.parametrize("number", ["counted", "zero", "prompt", "text"])
@pytest.mark.parametrize("options", ["usual", "unusual"])
async def test_permission_is_asked_for(autojump_clock: object, number: str, options: str) -> None:
    """Before the text, with an id of any kind; what was rejected has failed."""
    async with agent(*QUICK, f"permission={number}", f"options={options}") as peer:
        session = await peer.open()
        peer.choice = {"outcome": {"outcome": "selected", "optionId": {"usual": "cancel", "unusual": "7f3a"}[options]}}
        prompt = await peer.prompt(session, "Hello")
        turn = await peer.rest(prompt)
        assert [request["id"] for request in turn.requests] == [
            {"counted": 0, "zero": 0, "prompt": prompt, "text": f"permission-{prompt}"}[number]
        ]
        assert [call.get("status") for call in turn.of_kind("tool_call_update")] == ["failed"]
        assert turn.stop_reason == "end_turn"
        assert turn.text


@pytest.mark.parametrize(
    ("options", "kinds"), [("options=no_reject", {"allow_once", "allow_always"}), ("options=none", set())]
)
async def test_a_permission_request_may_offer_no_rejection(
    autojump_clock: object, options: str, kinds: set[str]
) -> None:
    """Then `cancelled` is an answer; and what is allowed runs."""
    async with agent(*QUICK, "permission=zero", options) as peer:
        session = await peer.open()
        peer.choice = {"outcome": {"outcome": "cancelled"}}
        turn = await peer.turn(session, "Hello")
        assert {option["kind"] for option in turn.requests[0]["params"]["options"]} == kinds
        assert turn.of_kind("tool_call_update")[0]["status"] == "failed"
        if kinds:
            peer.choice = {"outcome": {"outcome": "selected", "optionId": "proceed_once"}}
            assert (await peer.turn(session, "Hello")).of_kind("tool_call_update")[0]["status"] == "completed"


@pytest.mark.parametrize(
    "choice", [None, {}, {"outcome": "cancel"}, {"outcome": {"outcome": "selected", "optionId": "reject_once"}}]
)
async def test_what_is_no_choice_leaves_the_turn_hanging(autojump_clock: object, choice: object) -> None:
    """Null, and an option that was not offered; a cancel ends it all the same, or only with an answer."""
    async with agent(*QUICK, "permission=zero") as peer:
        session = await peer.open()
        peer.choice = choice
        number = await peer.prompt(session, "Hello")
        with trio.move_on_after(100) as waited:
            await peer.rest(number)
        assert waited.cancelled_caught
        await peer.cancel(session)
        assert (await peer.rest(number)).stop_reason == "cancelled"


async def test_a_cancel_can_wait_for_the_permission(autojump_clock: trio.testing.MockClock) -> None:
    """As with the agent that hangs until its request is answered."""
    async with agent(*QUICK, "permission=zero", "stop=waits") as peer:
        session = await peer.open()
        number = await peer.prompt(session, "Hello")
        while "options" not in (await peer.message()).get("params", {}):
            pass
        await peer.cancel(session)
        with trio.move_on_after(100) as waited:
            await peer.message()
        assert waited.cancelled_caught
        await peer.send(id=0, result={"outcome": {"outcome": "cancelled"}})
        assert (await peer.rest(number)).stop_reason == "cancelled"


@pytest.mark.parametrize(
    ("word", "reason", "says"),
    [
        ("rejected=told", "end_turn", True),
        ("rejected=no_text", "end_turn", False),
        ("rejected=cancelled", "cancelled", False),
    ],
)
async def test_a_rejection_has_consequences(autojump_clock: object, word: str, reason: str, says: bool) -> None:
    """The model is told, or the turn ends, and not always as one would think."""
    async with agent(*QUICK, "permission=counted", word) as peer:
        turn = await peer.turn(await peer.open(), "Hello")
        assert (turn.stop_reason, bool(turn.text)) == (reason, says)


@pytest.mark.parametrize(
    ("word", "method"),
    [
        ("asks=file", "fs/read_text_file"),
        ("asks=terminal", "terminal/create"),
        ("asks=vendor", "craft/drainMidTurnQueue"),
    ],
)
async def test_requests_that_nobody_takes(autojump_clock: object, word: str, method: str) -> None:
    """An error is an answer; null leaves the turn hanging, as with a real agent."""
    async with agent(*QUICK, word) as peer:
        session = await peer.open()
        turn = await peer.turn(session, "Hello")
        assert [request["method"] for request in turn.requests] == [method]
        assert turn.text
        await peer.prompt(session, "Hello")
        await peer.send(id=(await peer.message())["id"], result=None)
        with trio.move_on_after(100) as waited:
            await peer.message()
        assert waited.cancelled_caught


@pytest.mark.parametrize(("word", "state"), [("tool=runs", "completed"), ("tool=fails", "failed")])
async def test_a_tool_can_run_unasked(autojump_clock: object, word: str, state: str) -> None:
    """It is told of, and nobody was asked."""
    async with agent(*QUICK, word) as peer:
        turn = await peer.turn(await peer.open(), "Hello")
        assert turn.requests == []
        assert [call["status"] for call in turn.of_kind("tool_call_update")] == ["in_progress", state]


@pytest.mark.parametrize("slash", [True, False])
async def test_a_first_text_with_a_slash_is_a_command(autojump_clock: object, tmp_path: Path, slash: bool) -> None:
    """/init writes a file, /about tells the version, what is unknown is swallowed; in a later block it is text."""
    async with agent(*QUICK, f"slash={int(slash)}") as peer:
        session = (await peer.call("session/new", cwd=str(tmp_path), mcpServers=[]))["sessionId"]
        for command, found in (("/init", "Wrote SIMULATOR.md"), ("/about", "signed in"), ("/x", "")):
            block = {"type": "text", "text": command}
            turn = await peer.rest(await peer.ask("session/prompt", sessionId=session, prompt=[block]))
            assert (found in turn.text and bool(found) == bool(turn.text)) is slash
        assert (tmp_path / "SIMULATOR.md").exists() is slash
        assert "You said: “/init”" in (await peer.turn(session, "/init")).text


async def test_prompts_are_checked(autojump_clock: object) -> None:
    """Blocks of unknown kinds, pictures that are none or not offered, and nothing at all."""
    png = {"type": "image", "mimeType": "image/png", "data": "iVBORw0KGgo="}
    link = {"type": "resource_link", "uri": "file:///a", "name": "a"}
    text = {"type": "text", "text": "Look"}
    for words, prompt, is_taken in (
        ((), [text, png], True),
        ((), [text, link], True),
        (("images=0",), [text, png], False),
        ((), [text, {**png, "data": "AAAA"}], False),
        ((), [text, {"type": "audio"}], False),
        ((), [png], False),
        ((), [], False),
        ((), "Look", False),
        ((), [{"type": "text", "text": "#simulate nonsense=1"}], False),
    ):
        async with agent(*QUICK, *words) as peer:
            session = await peer.open()
            turn = await peer.rest(await peer.ask("session/prompt", sessionId=session, prompt=prompt))
            assert ("result" in turn.response) is is_taken
            assert ("[image/png of 8 bytes]" in turn.text) is (is_taken and png in prompt)


async def test_directives_can_be_off(autojump_clock: object) -> None:
    """Then they are text, and what they would turn stays."""
    async with agent(*QUICK, "directives=0") as peer:
        assert (await peer.turn(await peer.open(), "Hello\n#simulate say=no")).text != "no"


async def test_scenes_are_played(autojump_clock: object, tmp_path: Path) -> None:
    """Line by line, as of any simulator."""
    file = tmp_path / "scenes.json"
    file.write_text('[{"when": "Begin", "answers": [{"text": "One."}, {"text": "Two.", "knobs": "ends=max_tokens"}]}]')
    async with agent(*QUICK, f"scenes={file}") as peer:
        session = await peer.open()
        assert (await peer.turn(session, "Begin")).text == "One."
        turn = await peer.turn(session, "On")
        assert (turn.text, turn.stop_reason) == ("Two.", "max_tokens")
