"""A call is known again in a conversation as a value, and within a bound of work."""

from __future__ import annotations

import html
import json

import pytest

from lingma_trio.emulation.action_json import Action
from lingma_trio.emulation.quotes import Quotes
from lingma_trio.turns import Message, ToolCall
from tests.hostile.steps import processor_time

ACTION = Action("run", {"command": 'rm "x"\n', "deep": {"é": [1, True, None]}}, "run")
VALUE = {"tool": "run", "arguments": ACTION.arguments}
TURNED = {"arguments": dict(reversed(ACTION.arguments.items())), "tool": "run"}


def holds(*texts: str, action: Action = ACTION, code: str = "") -> bool:
    """Whether a conversation of these texts holds the action."""
    return Quotes([Message("user", text) for text in texts]).hold([action], code=code)


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(VALUE),
        json.dumps(VALUE, ensure_ascii=False, indent=4),
        json.dumps(VALUE, separators=(",", ":")),
        json.dumps(TURNED),
        json.dumps([{"a": 1}, VALUE]),
        json.dumps({"name": "run", "input": ACTION.arguments}),
        json.dumps({"content": json.dumps(VALUE)}),
        json.dumps({"content": json.dumps(VALUE, indent=2, ensure_ascii=False)}),
        json.dumps([json.dumps({"content": json.dumps(TURNED)})]),
        json.dumps(json.dumps(json.dumps([json.dumps(VALUE)]))),
        json.dumps(VALUE).replace('"tool"', "“tool”").replace('"run"', "“run”"),
        json.dumps(VALUE).replace("}}", "},}"),
        html.escape(json.dumps(VALUE)),
        html.escape(json.dumps(VALUE, indent=2)).replace("&quot;", "&#34;"),
        json.dumps({"page": html.escape(json.dumps(VALUE, indent=2))}),
        json.dumps({"content": json.dumps(VALUE)}).replace(r"\"", r"\u0022"),
    ],
)
def test_the_same_value_is_found_however_it_is_written(written: str) -> None:
    """Laid out otherwise, in other order, within other JSON or a web page, escaped in strings, or not quite JSON."""
    assert holds("nothing", f'He said {{"this"}}: {written} and so on')


@pytest.mark.parametrize(
    "written",
    [
        "",
        "Use run with rm x.",
        '{"tool": "run", "arguments": {}}',
        json.dumps({**VALUE, "tool": "other"}),
        json.dumps({**VALUE, "arguments": {**ACTION.arguments, "more": 1}}),
        json.dumps({"function": "run", "arguments": ACTION.arguments}),
        json.dumps({"tool": "run", "description": "Runs.", "arguments": {"type": "object"}}),
        "{" * 50 + json.dumps({**VALUE, "arguments": {"command": "ls"}}),
    ],
)
def test_another_value_is_another_call(written: str) -> None:
    """Also one that names the same tool, or has the same arguments."""
    assert not holds(written)


def test_calls_that_were_made_may_be_made_again() -> None:
    """What a call was given is a text of the conversation; that it was made is none."""
    made = Message("assistant", "", tool_calls=(ToolCall("1", "run", json.dumps(ACTION.arguments)),))
    assert not Quotes([made]).hold([ACTION])
    wrote = Message("assistant", "", tool_calls=(ToolCall("1", "write", json.dumps({"text": json.dumps(VALUE)})),))
    assert Quotes([wrote]).hold([ACTION])


def test_code_is_found_whatever_its_blanks_and_quotes() -> None:
    """It is compared as text."""
    code = 'print(run(command="ls -l"))'
    action = Action("run", {"command": "ls -l"}, "run")
    assert holds('{"page": "print( run(command = \\"ls  -l\\"))"}', action=action, code=code)
    assert not holds("print(run(command='ls'))", action=action, code=code)


@pytest.mark.parametrize(
    "text",
    ['{"tool": "run", "arguments": {"command": ', '{"arguments":' * 9 + '"tool": "run", ', 'command {"tool": "run"'],
)
def test_work_is_bounded_and_then_the_call_is_held_to_be_quoted(text: str) -> None:
    """A conversation that is made to be costly costs little."""
    with processor_time() as spent:
        assert holds(text * (2_000_000 // len(text)))
    assert spent.seconds < 1.0


def test_a_long_conversation_costs_a_search() -> None:
    """Text that names no tool is passed over."""
    with processor_time() as spent:
        assert not holds('He runs, she said "go on"; ' * 200_000)
    assert spent.seconds < 0.5


def test_many_short_messages_cost_something_each() -> None:
    """Otherwise many calls and many messages would be their product."""
    quotes = Quotes([Message("user", "hi")] * 50_000)
    with processor_time() as spent:
        assert not quotes.hold([ACTION])
        assert any(quotes.hold([ACTION]) for _ in range(100))
    assert spent.seconds < 1.0
