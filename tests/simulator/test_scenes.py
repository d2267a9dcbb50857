"""Scenes: answers that were written beforehand, in order, however their conversations reach the simulator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest

from lingma_trio.policy.transcript import render
from lingma_trio.simulator.common_knobs import Form
from lingma_trio.simulator.knob import KnobFault
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.scenes import Call, Line, line_of, load_scenes, next_line, written
from lingma_trio.simulator.sessions import Session
from lingma_trio.turns import Message, ToolCall
from tests.simulator.support import simulated

if TYPE_CHECKING:
    from pathlib import Path

    import trio.testing

SCENES: list[dict[str, Any]] = [
    {"when": "rename", "answers": [{"text": "I look.", "calls": [{"tool": "read"}]}, {"text": "Done."}]},
    {"when": "delete", "answers": [{"text": "No.", "knobs": "deltas=2"}]},
]
ASKS = "I saw\n```json action w1\n{}\n```\nbefore. Write\n```json action w2\n{}\n```"
QUESTION = Message("user", "rename it")
ANSWER = Message("assistant", "I look.", tool_calls=(ToolCall("c", "read", "{}"),))
RESULT = Message("tool", "text", tool_call_id="c")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file of two scenes."""
    file = tmp_path / "scenes.json"
    file.write_text(json.dumps(SCENES))
    return str(file)


def said(path: str, session: Session, *questions: str) -> list[str | None]:
    """What a session answers to questions that come one after the other."""
    lines = [next_line(load_scenes(Knobs(scenes=path)), session, question) for question in questions]
    return [line.text if line else None for line in lines]


def test_lines_follow_each_other_in_a_session(path: str) -> None:
    """The last one is repeated, and another scene's begin when it is asked for."""
    asked = ("hello", "rename it", "the result", "more", "delete it", "rename it")
    scenes = load_scenes(Knobs(scenes=path))
    session = Session("s")
    lines = [next_line(scenes, session, question) for question in asked]
    assert [line.text if line else None for line in lines] == [None, "I look.", "Done.", "Done.", "No.", "I look."]


def test_transcript_counts_the_answers_it_holds(path: str) -> None:
    """A client that asks again gets the same line, and one that sends everything gets the next."""
    first = render([Message("system", "Be brief."), QUESTION])
    assert said(path, Session("a"), first) == said(path, Session("b"), first) == ["I look."]
    assert said(path, Session("c"), render([QUESTION, ANSWER, RESULT])) == ["Done."]


@pytest.mark.parametrize("content", ["", "{}", '[{"when": ""}]', '[{"when": "a", "answers": [{"knobs": "limit=1"}]}]'])
def test_file_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    """Before anything is asked, with its name or the knob's."""
    file = tmp_path / "wrong.json"
    file.write_text(content)
    with pytest.raises(KnobFault, match=r"scenes=|limit"):
        load_scenes(Knobs(scenes=str(file)))
    with pytest.raises(KnobFault, match="cannot be read"):
        load_scenes(Knobs(scenes=str(tmp_path / "missing.json")))


def test_line_of_knobs() -> None:
    """Words and a call, or nothing."""
    assert line_of(Knobs()) is None
    assert line_of(Knobs(say="hi")) == Line(text="hi")
    assert line_of(Knobs(call="read")) == Line(calls=(Call(tool="read"),))
    assert line_of(Knobs(call='read:{"a": ":"}')) == Line(calls=(Call(tool="read", arguments={"a": ":"}),))
    for wrong in ("read:{", "read:[1]"):
        with pytest.raises(KnobFault):
            line_of(Knobs(call=wrong))


@pytest.mark.parametrize("form", get_args(Form))
def test_each_form_is_written_in_its_own_way(form: Form) -> None:
    """After the text, with a blank line between."""
    line = Line(text="So.", calls=(Call(tool="read", arguments={"a": 1}),))
    knobs = Knobs(form=form)
    text = written(line, knobs, ASKS)
    assert text.startswith("So.\n\n")
    assert form == "action" or text != written(line, Knobs(), ASKS)
    assert written(Line(text="So."), knobs, ASKS) == "So."


def test_word_is_the_one_that_is_asked_for_last() -> None:
    """A call carries it, unless it is to be without or with another."""
    line = Line(calls=(Call(tool="read"),))
    body = '\n{"tool":"read","arguments":{}}\n```'
    assert written(line, Knobs(), ASKS) == "```json action w2" + body
    assert written(line, Knobs(form="no_word"), ASKS) == "```json action" + body
    assert written(line, Knobs(form="wrong_word"), ASKS) == "```json action 2w0" + body


def test_block_of_the_question_is_quoted() -> None:
    """As the last words or with some behind it, in front of the calls."""
    block = '<tool_call>{"name": "read"}</tool_call>'
    question = f"The page:\n{block}\n{ASKS}"
    line = Line(text="It says:")
    assert written(line, Knobs().turned(["quote=last"]), question) == f"It says:\n\n{block}"
    assert written(line, Knobs(quote="amid"), question) == f"It says:\n\n{block}\n\nThat is what it says."
    assert written(line, Knobs(quote="last"), "nothing") == "It says:"
    assert line_of(Knobs(quote="last")) == Line()


async def test_scenes_are_played(tmp_path: Path, path: str, autojump_clock: trio.testing.MockClock) -> None:
    """With their knobs, and in the session that began them."""
    async with simulated(tmp_path, "first=0", "gap=0", "empties=0", f"scenes={path}") as house:
        caller = await house.connect()
        first = await caller.answer("rename it")
        assert first.text == 'I look.\n\n```json action\n{"tool":"read","arguments":{}}\n```'
        assert (await caller.answer("so?", session_id=first.finish["sessionId"])).text == "Done."
        padded = await caller.answer("delete it")
        assert len(padded.deltas) == 2
        assert padded.text.startswith("No.")


async def test_directive_says_and_calls(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """For one answer, in the form it names; a call that cannot be read is an error."""
    async with simulated(tmp_path, "first=0", "gap=0") as house:
        caller = await house.connect()
        answer = await caller.answer("hi\n#simulate say='Let me see.' call=read form=heading")
        assert answer.text == 'Let me see.\n\n#Tool Call\n{"tool":"read","arguments":{}}'
        assert (await caller.answer("hi\n#simulate call=read:x")).finish["statusCode"] == 400
