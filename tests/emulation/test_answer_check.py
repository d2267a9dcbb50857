"""An answer is asked for again once, and then keeps to what was promised or fails."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from lingma_trio.emulation.answer_check import AnswerCheck, check_of
from lingma_trio.errors import AnswerMalformed
from lingma_trio.turns import (
    AnswerEvent,
    AnswerFormat,
    Finished,
    Message,
    Prompt,
    TextDelta,
    TextReplaced,
    ThoughtDelta,
    Tool,
    Toolbox,
    ToolCall,
)

ASKED = (Message("user", "hi"),)
BOX = Toolbox((Tool("f", "", {"type": "object", "required": ["n"]}),), word="c0ffee")
FORCED = replace(BOX, choice="required")
CALL = '```json action c0ffee\n{"tool": "f", "arguments": {"n": 1}}\n```\n'
WRONG = CALL.replace('"n": 1', "")
BLOCK = '```json action c0ffee\n{"tool": "f", "arguments":\n```\n'
MADE = ToolCall("1", "f", '{"n":1}')
END = Finished("s-1")


def check_for(toolbox: Toolbox | None = None, answer_format: AnswerFormat | None = None) -> AnswerCheck:
    """A check of an answer that has something to keep to."""
    numbers = count(1)
    check = check_of(Prompt(ASKED, toolbox=toolbox, answer_format=answer_format), lambda: str(next(numbers)))
    assert check is not None
    return check


@pytest.mark.parametrize("toolbox", [None, Toolbox(BOX.tools, "none")])
def test_nothing_to_heed_is_no_check(toolbox: Toolbox | None) -> None:
    """The usual answer does not pass through one."""
    assert check_of(Prompt(ASKED, toolbox=toolbox), str) is None


def test_answer_without_calls_goes_through_as_it_is() -> None:
    """Thoughts too, and in the pieces in which it came."""
    check = check_for(BOX)
    events: list[AnswerEvent] = [ThoughtDelta("hm"), TextDelta("Well"), TextDelta(" then."), END]
    assert check.take(events) == events
    assert check.complaint() == ""


def test_faulty_call_is_asked_for_again() -> None:
    """The end comes with the second answer."""
    check = check_for(BOX)
    assert check.take([TextDelta(WRONG), END]) == []
    assert "It lacks n" in check.complaint()
    assert check.complaint() == ""
    assert check.take([TextDelta("Sorry.\n" + CALL), END]) == [MADE, END]
    assert check.complaint() == ""


@pytest.mark.parametrize("box", [BOX, FORCED])
@pytest.mark.parametrize("second", [WRONG, "Sorry.", "", '```json action c0ffee\n{"tool": "g"}\n```\n'])
def test_call_that_stays_wrong_reaches_its_client(box: Toolbox, second: str) -> None:
    """Of the second answer, or of the first where that has none; its client tells the model itself."""
    check = check_for(box)
    assert check.take([TextDelta(f"So.\n{WRONG}"), END]) == ([TextDelta("So.")] if box is BOX else [])
    assert check.complaint()
    assert check.take([TextDelta(second), END]) == [ToolCall("1", "f", "{}"), END]
    assert check.complaint() == ""
    assert "the calls whose results you are given" in check.untold


@pytest.mark.parametrize("second", ["I cannot.", CALL.replace('"f"', '"g"')])
def test_second_fault_is_an_error_where_a_call_is_demanded(second: str) -> None:
    """A refusal, and a call of something else."""
    check = check_for(FORCED)
    assert check.take([TextDelta("I cannot."), END]) == []
    assert "It calls no tool." in check.complaint()
    with pytest.raises(AnswerMalformed):
        check.take([TextDelta(second), END])


def test_json_comes_whole_or_not_at_all() -> None:
    """Held back until the end, asked for again once."""
    check = check_for(answer_format=AnswerFormat())
    assert check.take([TextDelta("Well: "), ThoughtDelta("hm"), TextReplaced('{"a"')]) == [ThoughtDelta("hm")]
    assert check.take([END]) == []
    assert "it is no JSON" in check.complaint()
    assert check.take([TextDelta('```json\n{"a": 1}\n```'), END]) == [TextDelta('{"a": 1}'), END]


@pytest.mark.parametrize("first", ["Hello.", BLOCK, BLOCK + '{"a": 1}'])
@pytest.mark.parametrize("second", [BLOCK + '{"a": 1}', '{"a": 1}\n' + BLOCK])
def test_json_beside_a_block_that_is_no_call_is_the_answer(first: str, second: str) -> None:
    """Where it was asked for again already; on whichever side of the block it stands."""
    check = check_for(BOX, AnswerFormat())
    assert check.take([TextDelta(first), END]) == []
    assert check.complaint()
    assert check.take([TextDelta(second), END]) == [TextDelta('{"a": 1}'), END]


def test_json_that_stays_wrong_is_an_error() -> None:
    """Never passed off as what was promised."""
    check = check_for(answer_format=AnswerFormat({"type": "object", "required": ["a"]}))
    assert check.take([TextDelta("{}"), END]) == []
    assert "It lacks a" in check.complaint()
    with pytest.raises(AnswerMalformed):
        check.take([TextDelta("{}"), END])


def test_answer_that_calls_need_not_be_json() -> None:
    """One that does not, has to."""
    check = check_for(BOX, AnswerFormat())
    assert check.take([TextDelta("I look.\n" + CALL), END]) == [MADE, END]
    check = check_for(BOX, AnswerFormat())
    assert check.take([TextDelta('{"a": 1}'), END]) == [TextDelta('{"a": 1}'), END]
    check = check_for(BOX, AnswerFormat())
    assert check.take([TextDelta("Hello."), END]) == []
    assert "JSON" in check.complaint()


def test_session_is_told_what_of_its_answer_went_out() -> None:
    """No word that stays behind passes for one that the user has read, and what went out is what is said of it."""
    plain = check_for(BOX, AnswerFormat())
    plain.take([TextDelta(CALL), END])
    assert plain.untold == ""
    beside = check_for(BOX, AnswerFormat())
    assert beside.take([TextDelta("I look.\n" + CALL), END]) == [MADE, END]
    assert "only the calls were passed on" in beside.untold
    written_on = check_for(BOX)
    written_on.take([MADE, replace(END, unsaid=True)])
    assert "was not passed on: nothing of it has happened" in written_on.untold
    demanded = check_for(FORCED)
    demanded.take([TextDelta("I cannot."), END])
    demanded.complaint()
    assert demanded.take([TextDelta(CALL), END]) == [MADE, END]
    assert "only the calls whose results you are given" in demanded.untold
    called_twice = check_for(BOX, AnswerFormat())
    assert called_twice.take([TextDelta(CALL + WRONG), END]) == [MADE]
    called_twice.complaint()
    called_twice.take([TextDelta("{}"), END])
    assert "only the calls whose results you are given" in called_twice.untold
    mended = check_for(BOX)
    assert mended.take([TextDelta("I look.\n" + WRONG), END]) == [TextDelta("I look.")]
    mended.complaint()
    mended.take([TextDelta(CALL), END])
    assert "what the first said, and the calls" in mended.untold


def test_there_is_one_round_for_all_faults() -> None:
    """After it a call that does not fit goes out, the first one also in the place of what is no JSON."""
    for first, second in ((WRONG, "Hello."), ("Hello.", WRONG), (WRONG, WRONG)):
        check = check_for(BOX, AnswerFormat())
        assert check.take([TextDelta(first), END]) == []
        assert check.complaint()
        assert check.take([TextDelta(second), END]) == [ToolCall("1", "f", "{}"), END]
    check = check_for(BOX, AnswerFormat())
    assert check.take([TextDelta(WRONG), END]) == []
    assert check.complaint()
    assert check.take([TextDelta('{"a": 1}'), END]) == [TextDelta('{"a": 1}'), END]


def test_answer_that_is_passed_on_as_it_is_needs_no_word() -> None:
    """A session that holds what its client was given is told nothing."""
    for text in ("Well then.", f"Well.\n{CALL}", f"{CALL}\n"):
        check = check_for(BOX)
        check.take([TextDelta(text), END])
        assert (check.untold, check.altered) == ("", False)


def test_session_is_told_what_was_not_passed_on() -> None:
    """An invented result beside a call, calls beyond what is allowed, words round JSON, and a renewed question."""
    invented = check_for(BOX)
    invented.take([TextDelta(f"{CALL}It is 5."), END])
    assert invented.untold.startswith("What you wrote beside the calls")
    one = check_for(replace(BOX, parallel=False))
    one.take([TextDelta(CALL + CALL.replace("1", "2")), END])
    assert one.untold.startswith("Of your calls only the first")
    wrapped = check_for(None, AnswerFormat())
    wrapped.take([TextDelta('Here it is:\n```json\n{"a": 1}\n```'), END])
    assert wrapped.untold == "Of your last answer only the JSON was passed on, in the form that was asked for."
    again = check_for(BOX)
    again.take([TextDelta(WRONG), END])
    assert again.complaint()
    again.take([TextDelta(CALL), END])
    assert again.untold.startswith("Your last two answers reached the user as one")
    anew = check_for(None, AnswerFormat())
    anew.take([TextDelta("no"), END])
    assert anew.complaint()
    anew.take([TextDelta("{}"), END])
    assert anew.untold.startswith("Of your last two answers only the second")
    assert not any(check.altered for check in (invented, one, wrapped, again, anew))


def test_call_in_a_text_that_was_taken_back_is_an_alteration() -> None:
    """The client has a call of which the session holds nothing: no word in the next prompt would be true."""
    check = check_for(BOX)
    check.take([TextDelta(CALL), TextReplaced("Never mind."), END])
    assert check.altered


def test_answer_that_cannot_be_asked_for_again_is_given_as_it_is() -> None:
    """Its calls, or what was meant for one as text; nothing is said of an answer that never was."""
    check = check_for(BOX)
    assert check.take([TextDelta(WRONG), END]) == []
    assert check.complaint()
    assert check.unmended() == [ToolCall("1", "f", "{}"), END]
    assert check.untold == ""
    for box, answer_format in ((FORCED, None), (None, AnswerFormat())):
        check = check_for(box, answer_format)
        assert check.take([TextDelta("I cannot."), END]) == []
        assert check.complaint()
        with pytest.raises(AnswerMalformed):
            check.unmended()
