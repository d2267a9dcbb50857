"""Calls are let out once, when they are right, and not before."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from lingma_trio.emulation.call_check import CallCheck
from lingma_trio.emulation.json_schema import Judge
from lingma_trio.emulation.mending import Mender
from lingma_trio.turns import AnswerEvent, Message, TextDelta, TextReplaced, Tool, Toolbox, ToolCall
from tests.small_pieces import held_for_each

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
WORD = "c0ffee"
BOX = Toolbox((Tool("f", "", SCHEMA), Tool("g", "", {"type": "object"})), word=WORD)
FORCED = replace(BOX, choice="required")


def check_for(toolbox: Toolbox = BOX) -> CallCheck:
    """A check whose ids are 1, 2 and so on."""
    numbers = count(1)
    return CallCheck(toolbox, lambda: str(next(numbers)), Mender(Judge()))


def block(name: str, arguments: str) -> str:
    """A call as text."""
    return f'```json action {WORD}\n{{"tool": "{name}", "arguments": {arguments}}}\n```\n'


def feed(check: CallCheck, *texts: str) -> list[AnswerEvent]:
    """What goes on of these texts and the end after them."""
    events = [event for text in texts for event in check.take(TextDelta(text))]
    return events + check.end()


def all_of(check: CallCheck, *texts: str) -> list[AnswerEvent]:
    """The same of an answer that is not asked for again."""
    return feed(check, *texts) + check.give_in()


def test_text_goes_on_and_the_calls_come_out_of_it() -> None:
    """What follows a call is made up, and is not shown."""
    check = check_for()
    said = feed(check, "Well", " then.\n", block("f", '{"n": 1}'), "Result: 5\n", block("g", "{}"), "Done.")
    assert said == [
        TextDelta("Well"),
        TextDelta(" then."),
        ToolCall("1", "f", '{"n":1}'),
        ToolCall("2", "g", "{}"),
    ]
    assert check.made
    assert not check.complaints


def test_two_equal_calls_of_a_text_are_two() -> None:
    """A model may mean to roll a die twice; each has an id of its own."""
    calls = feed(check_for(), block("g", "{}"), block("g", "{ }"))
    assert calls == [ToolCall("1", "g", "{}"), ToolCall("2", "g", "{}")]


def test_call_that_comes_both_ways_is_one() -> None:
    """Written and reported, in either order, arguments laid out in any way; a report under another id is another."""
    reported = ToolCall("t", "g", '{"b":1, "a":[2]}')
    check = check_for()
    written = block("g", '{"a": [2], "b": 1}')
    assert feed(check, written) == [ToolCall("1", "g", '{"a":[2],"b":1}')]
    assert check.take(reported) == []
    assert check.take(reported) == []
    assert check.take(replace(reported, id="u")) == [replace(reported, id="u")]
    check = check_for()
    assert check.take(reported) == [reported]
    assert check.take(reported) == []
    assert feed(check, written) == []


def test_call_that_is_read_again_is_one() -> None:
    """In a text that replaces the first, or the answer to a renewed question; one more of it is one more."""
    check = check_for()
    assert feed(check, block("g", "{}"), block("f", "{}")) == [ToolCall("1", "g", "{}")]
    check.begin_again()
    assert feed(check, block("g", "{}"), block("f", '{"n": 1}')) == [ToolCall("2", "f", '{"n":1}')]
    again = check.take(TextReplaced(block("g", "{}") + block("g", "{}")))
    assert again == [ToolCall("3", "g", "{}")]


def test_what_the_conversation_holds_is_no_call_without_the_word() -> None:
    """The page that a model quotes as the last thing of its answer."""
    quoted = block("g", '{"a": 1}').replace(f" {WORD}", "")
    asked = (Message("tool", f"A page.\n{quoted}"),)
    check = CallCheck(BOX, str, Mender(Judge()), asked)
    said = all_of(check, "It says:\n", quoted)
    assert said == [TextDelta("It says:"), TextDelta(f"\n{quoted.rstrip()}"), TextDelta("\n")]
    assert not check.made
    assert feed(check_for(), "So:\n", quoted) == [TextDelta("So:"), ToolCall("1", "g", '{"a":1}')]


def test_no_more_than_one_call_where_one_is_allowed() -> None:
    """Written or reported."""
    check = check_for(replace(BOX, parallel=False))
    assert feed(check, block("g", "{}"), block("f", '{"n": 1}')) == [ToolCall("1", "g", "{}")]
    assert check.take(ToolCall("t", "f", '{"n":1}')) == []


def test_reported_calls_are_held_to_the_same() -> None:
    """The id is Lingma's where it is one; arguments have to fit, and the tool has to be declared."""
    check = check_for()
    assert check.take(ToolCall("t", "g", "{}")) == [ToolCall("t", "g", "{}")]
    assert check.take(ToolCall("t", "f", '{"n":1}')) == [ToolCall("1", "f", '{"n":1}')]
    assert check.take(ToolCall("u", "f", '{"n":"x"}')) == []
    assert check.take(ToolCall("v", "h", "{}")) == []
    assert check.complaints == [
        "The arguments of f do not fit its schema: n must be an integer.",
        "It calls h, which cannot be called now.",
    ]


def test_only_the_named_tool_counts() -> None:
    """Where one has to be called."""
    check = check_for(replace(FORCED, named="f"))
    assert feed(check, block("g", "{}")) == []
    assert check.lacking
    assert check.complaints == ["A block of it names a tool that there is not."]


def test_text_waits_for_a_call_that_is_demanded() -> None:
    """It comes before the call, and is void without one."""
    check = check_for(FORCED)
    assert check.take(TextDelta("I look.\n")) == []
    assert check.take(TextDelta(block("g", "{}"))) == [TextDelta("I look."), ToolCall("1", "g", "{}")]
    check = check_for(FORCED)
    assert feed(check, "I cannot.") == []
    assert check.lacking
    check.begin_again()
    assert feed(check, "Sorry.\n", block("g", "{}")) == [ToolCall("1", "g", "{}")]
    assert not check.lacking


def test_block_that_is_no_call_is_withheld_and_shown_when_nothing_replaces_it() -> None:
    """As it came, with the blanks before it."""
    check = check_for()
    assert feed(check, "So.\n\n", block("f", "5")) == [TextDelta("So.")]
    assert len(check.complaints) == 1
    check.begin_again()
    assert feed(check, "I am sorry.") == []
    assert check.give_in() == [TextDelta("\n\n" + block("f", "5"))]
    assert check.give_in() == []


def test_text_behind_a_withheld_block_waits_for_it() -> None:
    """An answer is shown in the order it was written, whatever becomes of the block; no word of it is lost."""
    check = check_for()
    assert feed(check, "So.\n", block("f", "5"), "That", " was it.\n") == [TextDelta("So.")]
    check.begin_again()
    assert feed(check, "I am sorry.") == []
    assert check.give_in() == [TextDelta("\n" + block("f", "5") + "That was it.\n")]
    check = check_for()
    feed(check, "So.\n", block("f", "5"), "That was it.\n")
    check.begin_again()
    assert feed(check, block("g", "{}")) == [TextDelta("\nThat was it."), ToolCall("1", "g", "{}")]
    assert check.give_in() == []


@pytest.mark.parametrize("box", [BOX, FORCED], ids=["behind a block", "before a demanded call"])
def test_small_deltas_wait_as_the_text_they_are(box: Toolbox) -> None:
    """However many come behind a block that is no call, or before a call: a string for each would be ten times that."""
    check = check_for(box)
    feed(check, block("f", "5"))
    assert held_for_each(lambda text: check.take(TextDelta(text))) < 30


def test_call_that_stays_wrong_is_handed_out() -> None:
    """Its client says to the model what is wrong with it; the word of the second answer counts."""
    check = check_for()
    assert feed(check, block("f", '{"n":"x"}')) == []
    check.begin_again()
    assert feed(check, "Sorry.\n", block("f", '{"n":"y"}')) == [ToolCall("1", "f", '{"n":"y"}')]
    assert check.give_in() == []
    assert not check.complaints


def test_first_answers_calls_count_where_the_second_has_none() -> None:
    """All of them, equal ones too, with the ids that Lingma gave; beside them a call that was right has gone out."""
    check = check_for()
    assert check.take(ToolCall("t", "f", "{}")) == []
    wrong = block("f", '{"n":"x"}')
    assert feed(check, block("g", "{}"), wrong, wrong) == [ToolCall("1", "g", "{}")]
    assert len(check.complaints) == 3
    check.begin_again()
    assert feed(check, "I cannot.") == []
    assert check.give_in() == [
        ToolCall("t", "f", "{}"),
        ToolCall("2", "f", '{"n":"x"}'),
        ToolCall("3", "f", '{"n":"x"}'),
    ]


def test_call_that_lingma_reported_outlives_a_text_that_is_replaced() -> None:
    """It never stood in the text; a wrong one that was written there is void with it."""
    check = check_for()
    assert check.take(ToolCall("t", "f", "{}")) == []
    assert check.take(TextDelta(block("f", '{"n":"x"}'))) == []
    assert check.take(TextReplaced("Other.")) == [TextReplaced("Other.")]
    assert check.end() + check.give_in() == [ToolCall("t", "f", "{}")]


def test_what_is_certain_is_mended_and_not_asked_for_again() -> None:
    """Written or reported; what the tool rules out goes only where its client is strict."""
    check = check_for()
    assert feed(check, block("f", '{"n": "5"}')) == [ToolCall("1", "f", '{"n":5}')]
    assert check.take(ToolCall("t", "f", '{"n":1000.0}')) == [ToolCall("t", "f", '{"n":1000}')]
    assert not check.complaints
    closed = Tool("f", "", {**SCHEMA, "additionalProperties": False})
    check = check_for(Toolbox((closed,), word=WORD))
    assert feed(check, block("f", '{"n": 1, "m": 2}')) == []
    assert check.complaints == ["The arguments of f do not fit its schema: It must not have m."]
    check = check_for(Toolbox((replace(closed, strict=True),), word=WORD))
    assert feed(check, block("f", '{"n": 1, "m": 2}')) == [ToolCall("1", "f", '{"n":1}')]


def test_blanks_before_a_call_are_no_text() -> None:
    """However they come, before a call that is written or reported; before text and at the end they stand."""
    check = check_for()
    assert feed(check, "\n", "\n", block("g", "{}")) == [ToolCall("1", "g", "{}")]
    check = check_for()
    check.take(TextDelta("\n\n "))
    assert check.take(ToolCall("t", "g", "{}")) == [ToolCall("t", "g", "{}")]
    assert check.give_in() == []
    assert all_of(check_for(), "\n", " \n", "Well. ", "So\n\n") == [
        TextDelta("\n \nWell."),
        TextDelta(" So"),
        TextDelta("\n\n"),
    ]
    check = check_for(FORCED)
    assert feed(check, "\n\n", block("g", "{}")) == [ToolCall("1", "g", "{}")]


def test_mended_call_stands_in_the_place_of_the_faulty_one() -> None:
    """Whose text is then of no interest."""
    check = check_for()
    feed(check, block("f", "{}"))
    check.begin_again()
    assert feed(check, block("f", '{"n":2}')) == [ToolCall("1", "f", '{"n":2}')]
    assert check.give_in() == []
    assert not check.complaints


def test_replaced_text_is_read_afresh() -> None:
    """Calls that were made stand and are not made again."""
    check = check_for()
    check.take(TextDelta("```json acti"))
    assert check.take(TextReplaced("Other.\n" + block("g", "{}"))) == [
        TextReplaced("Other."),
        ToolCall("1", "g", "{}"),
    ]
    assert check.take(TextReplaced("Third.\n" + block("g", "{}") + block("f", '{"n":1}'))) == [
        ToolCall("2", "f", '{"n":1}')
    ]


def test_call_is_judged_as_the_json_it_becomes() -> None:
    """A call that is written as code may hold what JSON has not, as keys that are numbers."""
    box = Toolbox((Tool("f", "", {"properties": {"a": {"type": "array", "uniqueItems": True}}}),))
    text = '```tool_code\nf(a=({1: 2, "b": 3}, {"1": 2, "b": 4}))\n```\n'
    (call,) = feed(check_for(box), text)
    assert isinstance(call, ToolCall)
    assert call.arguments == '{"a":[{"1":2,"b":3},{"1":2,"b":4}]}'


def test_number_beyond_all_bounds_is_none() -> None:
    """`1e400` can be read and not be written; as nothing it is wrong for the tool, and not for the gateway."""
    check = check_for()
    assert feed(check, block("f", '{"n": 1e400}')) == []
    assert check.complaints == ["The arguments of f do not fit its schema: n must be an integer."]
    assert feed(check_for(), block("g", '{"n": [-1e400]}')) == [ToolCall("1", "g", '{"n":[null]}')]
