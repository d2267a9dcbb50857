"""Calls written into text: found however the text is cut, and text without any is left alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingma_trio.policy.action_json import Action
from lingma_trio.policy.actions import ActionParser, Faulty, Piece

NAMES = ("read_file", "run")
CALL = '```json action\n{"tool": "read_file", "arguments": {"path": "a"}}\n```\n'
READ = Action("read_file", {"path": "a"})
SNIPPETS = [
    CALL,
    "```json action\n",
    "```json\n",
    "```tool_code\n",
    "<tool_call>",
    "</tool_call>",
    "#Tool Call",
    "# Tool Calls:\n",
    '{"tool": "run", "arguments": {}}',
    '[{"name": "run", "arguments": {"a": [1,]}}]',
    '{"tool": "run',
    '{"a": "``` \\" }"}',
    'run(command="ls")',
    "```\n",
    "```",
    "``",
    "`",
    "\n",
    "\r\n",
    "   ",
    "    ```json action\n",
    "text ",
    "```python\nprint(1)\n```\n",
    "“",
    "}",
    '"',
    "] ",
    "x" * 450,
]
TEXTS = st.lists(st.sampled_from(SNIPPETS), max_size=9).map("".join)


def parse(*texts: str) -> list[Piece]:
    """The pieces of texts that come one after the other, neighbouring texts joined."""
    parser = ActionParser(NAMES)
    pieces: list[Piece] = []
    for text in texts:
        pieces += [text] if text and parser.passes(text) else parser.feed(text)
    joined: list[Piece] = []
    for piece in pieces + parser.finish():
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def shown(pieces: list[Piece]) -> str:
    """All text in the pieces, that of faults too."""
    return "".join(p if isinstance(p, str) else p.text for p in pieces if not isinstance(p, Action))


@settings(max_examples=200)
@given(TEXTS, st.lists(st.integers(0, 900), max_size=6))
def test_cutting_makes_no_difference(text: str, cuts: list[int]) -> None:
    """Any pieces of a text give what the whole text gives."""
    places = sorted({min(cut, len(text)) for cut in cuts})
    pieces = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    assert parse(*pieces) == parse(text) == parse(*text)


@given(TEXTS)
def test_nothing_is_lost_but_what_became_an_action(text: str) -> None:
    """Text, and the text of faults, come as they are and in order; without an action that is all of it."""
    pieces = parse(text)
    if not any(isinstance(piece, Action) for piece in pieces):
        assert shown(pieces) == text


@given(st.text(alphabet="ab `#<t\n{", max_size=40))
def test_text_waits_for_no_more_than_its_line(text: str) -> None:
    """What is held back is at most the line that has begun, or a plain fence with what may begin JSON in it."""
    parser = ActionParser(["x"])
    given_out = shown(parser.feed(text))
    assert text.startswith(given_out)
    held = text[len(given_out) :]
    assert "\n" not in held or re.fullmatch(r" {0,3}`{3,} *\n\s*(\{\s*)?", held)


def test_code_streams_on() -> None:
    """A block of code goes out as it comes, and its closing line with its end."""
    parser = ActionParser(NAMES)
    assert parser.feed("```py") == []
    assert parser.feed("thon\nfor") == ["```python\nfor"]
    assert parser.feed(" x in") == [" x in"]
    assert parser.feed(" y:\n`") == [" y:\n"]
    assert parser.feed("`") == []
    assert parser.feed("`\n") == ["```\n"]


def test_ordinary_json_streams_on_from_its_first_key() -> None:
    """It is held only while it may be naming a tool."""
    parser = ActionParser(NAMES)
    assert parser.feed('```json\n{"na') == []
    assert parser.feed('me": "pack') == ['```json\n{"name": "pack']
    assert parser.feed('age"') == ['age"']


def test_action_comes_before_its_fence_closes() -> None:
    """It is certain as soon as its JSON is."""
    parser = ActionParser(NAMES)
    assert parser.feed(CALL.removesuffix("\n```\n")) == [READ]
    assert parser.feed("\n``") == []
    assert parser.feed("`\n") == []
    assert parser.finish() == []


@pytest.mark.parametrize(
    "block",
    [
        CALL,
        CALL.removesuffix("\n"),
        CALL.removesuffix("\n```\n"),
        CALL.replace("json action", "JSON  Action"),
        CALL.replace("json action", "action"),
        CALL.replace("json action", "json"),
        CALL.replace("json action", ""),
        CALL.replace("json action", "tool_code"),
        CALL.replace("```", "````"),
        CALL.replace("\n", "\r\n"),
        CALL.replace('"tool"', '"name"').replace('"arguments"', '"input"'),
        CALL.replace('"arguments": {"path": "a"}', '"path": "a"'),
        CALL.replace('{"path": "a"}', '"{\\"path\\": \\"a\\"}"'),
        CALL.replace('"a"}}', '"a",},}'),
        CALL.replace('"a"}}', '"a"}'),
        CALL.replace('"tool"', "“tool”").replace('"a"', "“a”"),
        CALL.replace("read_file", "Read-File"),
        '#Tool Call\n{"tool": "read_file", "arguments": {"path": "a"}}\n',
        '### tool_call:\n\n```json\n{"name": "read_file", "arguments": {"path": "a"}}\n```\n',
        '<tool_call>\n{"name": "read_file", "arguments": {"path": "a"}}\n</tool_call>',
        '<tool_call>{"name": "read_file", "arguments": {"path": "a"}}</tool_call>',
        '```tool_code\nread_file(path="a")\n```\n',
        '```tool_code\nprint(default_api.read_file(path="a"))\n```',
    ],
)
def test_action_is_understood_in_every_form(block: str) -> None:
    """The form that is asked for, and what models make of it."""
    pieces = [piece for piece in parse(f"Let me see.\n\n{block}") if not isinstance(piece, str) or piece.strip()]
    assert pieces == ["Let me see.\n\n", READ]


def test_several_actions_come_in_order() -> None:
    """In blocks of their own, as an array, or one after the other in one block."""
    run = '{"tool": "run", "arguments": {}}'
    both = f'```json action\n[{run}, {{"tool": "read_file", "arguments": {{"path": "a"}}}}]\n{run}\n```'
    assert parse(CALL + "and\n" + both) == [READ, "and\n", Action("run", {}), READ, Action("run", {})]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\n```\n{ \" }", '\n```\n{ " }'),
        ("a\nb\tc", "a\nb\tc"),
        (r"\d+\.\'", r"\d+\." + "'"),
        ("“a”, b", "“a”, b"),
        (",}", ",}"),
    ],
)
def test_what_stands_in_a_string_is_the_arguments_own(written: str, meant: str) -> None:
    """Fences, brackets, quotes, raw line breaks and escapes that JSON does not have."""
    block = f'```json action\n{{"tool": "run", "arguments": {{"text": "{written}"}}}}\n```\n'
    assert parse(block) == parse(*block) == [Action("run", {"text": meant})]


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 1\n```\n",
        '```json\n{"a": 1}\n```\n',
        '```json\n{"tool": "somebody_elses", "arguments": {}}\n```\n',
        '````md\n```json action\n{"tool": "run"}\n```\n````\n',
        '    ```json action\n{"tool": "run"}\n',
        'inline ```json action {"tool": "run"}```',
        '```json\n{"tool": "run", "arguments": 5}\n```\n',
        '```json\n{"name": "run", "version": "1.0"}\n```\nmore\n',
        "# Tool calls\n\nA tool call is what a model makes.\n",
        '#Tool Call\n```json\n{"a": 1}\n```\n',
        "#Tool Call",
        "<tool_calls> are a tag",
        "<table>",
    ],
)
def test_ordinary_text_stays_text(text: str) -> None:
    """Code blocks, JSON that calls nothing, examples within code and headings are part of the answer."""
    assert parse(text) == parse(*text) == [text]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"tool": "unknown", "arguments": {}}\n```\n', "names a tool that there is not"),
        ('{"tool": "run", "arguments": 5}\n```\n', "arguments"),
        ('{"tool": "run", "arguments": "{"}\n```\n', "arguments"),
        ('{"arguments": {}}\n```\n', "names no tool"),
        ("[]\n```\n", "names no tool"),
        ("[1]\n```\n", "is no JSON object"),
        ('{"tool" "run"}\n```\n', "no valid JSON"),
        ("run it\n```\n", "is no JSON object"),
        ("```\n", "is no JSON object"),
        ('{"tool": "run"', "not closed"),
        ("", "not closed"),
        ('{"tool": "run", "arguments": {"a": "', "not closed"),
    ],
)
def test_announced_block_that_is_no_action_is_a_fault(body: str, reason: str) -> None:
    """Whoever reads it is told what is wrong, and has the text as it came."""
    (fault,) = parse(f"```json action\n{body}")
    assert isinstance(fault, Faulty)
    assert fault.text == f"```json action\n{body}"
    assert reason in fault.reason


def test_what_follows_a_faulty_block_is_text() -> None:
    """The block ends with its fence."""
    pieces = parse("```json action\nread it\n```\nso\n" + CALL)
    assert isinstance(pieces[0], Faulty)
    assert pieces[1:] == ["so\n", READ]
