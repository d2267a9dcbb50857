"""Calls written into text: found however the text is cut, and counted only where they cannot be quoted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingma_trio.emulation.action_blocks import Faulty, Piece
from lingma_trio.emulation.action_json import Action
from lingma_trio.emulation.actions import MOST_UNPROVED, ActionParser
from lingma_trio.emulation.quotes import Quotes
from lingma_trio.turns import Message

NAMES = ("read_file", "run")
WORD = "c0ffee"
BODY = '{"tool": "read_file", "arguments": {"path": "a"}}'
CALL = f"```json action {WORD}\n{BODY}\n```\n"
WORDLESS = f"```json action\n{BODY}\n```\n"
READ = Action("read_file", {"path": "a"})
SNIPPETS = [
    CALL,
    WORDLESS,
    f"```json action {WORD}\n",
    "```json action\n",
    "```json action 12345\n",
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


def parser_for(*conversation: str, names: tuple[str, ...] = NAMES) -> ActionParser:
    """A parser of an answer to these messages."""
    return ActionParser(names, WORD, Quotes([Message("user", text) for text in conversation]))


def parse(*texts: str, conversation: tuple[str, ...] = ()) -> list[Piece]:
    """The pieces of texts that come one after the other, neighbouring texts joined."""
    parser = parser_for(*conversation)
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
    parser = parser_for(names=("x",))
    given_out = shown(parser.feed(text))
    assert text.startswith(given_out)
    held = text[len(given_out) :]
    assert "\n" not in held or re.fullmatch(r" {0,3}`{3,} *\n\s*(\{\s*)?", held)


def test_code_streams_on() -> None:
    """A block of code goes out as it comes, and its closing line with its end."""
    parser = parser_for()
    assert parser.feed("```py") == []
    assert parser.feed("thon\nfor") == ["```python\nfor"]
    assert parser.feed(" x in") == [" x in"]
    assert parser.feed(" y:\n`") == [" y:\n"]
    assert parser.feed("`") == []
    assert parser.feed("`\n") == ["```\n"]


def test_ordinary_json_streams_on_from_its_first_key() -> None:
    """It is held only while it may be naming a tool."""
    parser = parser_for()
    assert parser.feed('```json\n{"na') == []
    assert parser.feed('me": "pack') == ['```json\n{"name": "pack']
    assert parser.feed('age"') == ['age"']


def test_action_comes_before_its_fence_closes() -> None:
    """It is certain as soon as its JSON is."""
    parser = parser_for()
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
        CALL.replace("json action ", ""),
        CALL.replace("json action", "tool_code"),
        CALL.replace(WORD, WORD.upper()),
        CALL.replace("```", "````"),
        CALL.replace("\n", "\r\n"),
        CALL.replace('"tool"', '"name"').replace('"arguments"', '"input"'),
        CALL.replace('"arguments": {"path": "a"}', '"path": "a"'),
        CALL.replace('{"path": "a"}', '"{\\"path\\": \\"a\\"}"'),
        CALL.replace('"a"}}', '"a",},}'),
        CALL.replace('"a"}}', '"a"}'),
        CALL.replace('"tool"', "“tool”").replace('"a"', "“a”"),
        CALL.replace("read_file", "Read-File"),
        CALL.replace(BODY, 'read_file(path="a")'),
    ],
)
def test_action_with_the_word_counts_wherever_it_stands(block: str) -> None:
    """In the form that is asked for and in what models make of it; the conversation may hold the same."""
    texts = f"Let me see.\n\n{block}", "\n\nI did it."
    before, call, behind = parse(*texts, conversation=(BODY,))
    assert (before, call, str(behind).strip()) == ("Let me see.\n\n", READ, "I did it.")


FALLBACKS = [
    WORDLESS,
    WORDLESS.removesuffix("\n"),
    WORDLESS.removesuffix("\n```\n"),
    WORDLESS.replace("json action", "json action 123456"),
    WORDLESS.replace("json action", "action"),
    WORDLESS.replace("json action", "json"),
    WORDLESS.replace("json action", ""),
    WORDLESS.replace("json action", "tool_code"),
    WORDLESS.replace("```", "````"),
    WORDLESS.replace("\n", "\r\n"),
    WORDLESS.replace('"arguments": {"path": "a"}', '"path": "a"'),
    WORDLESS.replace("read_file", "Read-File"),
    f"#Tool Call\n{BODY}\n",
    f"### tool_call:\n\n```json\n{BODY}\n```\n",
    f"<tool_call>\n{BODY}\n</tool_call>",
    f"<tool_call>{BODY}</tool_call>",
    '```tool_code\nread_file(path="a")\n```\n',
    '```tool_code\nprint(default_api.read_file(path="a"))\n```',
]


@pytest.mark.parametrize("block", FALLBACKS)
def test_action_without_the_word_counts_as_the_last_thing(block: str) -> None:
    """In every form that models fall back on."""
    pieces = parse(f"Let me see.\n\n{block}", conversation=("Read a.", '{"tool": "run", "arguments": {}}'))
    assert [piece for piece in pieces if not isinstance(piece, str) or piece.strip()] == ["Let me see.\n\n", READ]


@pytest.mark.parametrize("behind", ["\n\nDone.", "\nx", f"\n{CALL}", "\n```py\n```\n"])
@pytest.mark.parametrize("block", FALLBACKS)
def test_action_without_the_word_is_text_where_anything_follows(block: str, behind: str) -> None:
    """Prose, code, or a call with the word."""
    text = f"Look:\n\n{block}{behind}"
    pieces = parse(text)
    assert pieces == parse(*text)
    assert [piece for piece in pieces if not isinstance(piece, str)] == ([READ] if CALL in behind else [])
    assert shown(pieces) == text.replace(CALL, "")


@pytest.mark.parametrize("block", FALLBACKS)
def test_action_without_the_word_is_text_where_the_conversation_holds_it(block: str) -> None:
    """An example that is quoted as the last thing calls nothing."""
    text = f"The page says:\n\n{block}"
    page = f"A page.\n\n{block}\nIts end."
    assert parse(text, conversation=(page,)) == [text]


def test_blocks_without_the_word_count_together() -> None:
    """All that stand at the end; a quoted one makes text of those before it and not of those behind."""
    run = '```json\n{"tool": "run", "arguments": {}}\n```\n'
    look = '```json\n{"tool": "run", "arguments": {"text": "look"}}\n```\n'
    made = [Action("run", {}), "\n", READ, Action("run", {"text": "look"})]
    assert parse(f"So.\n{run}\n{WORDLESS}{look}") == ["So.\n", *made]
    quoted = parse(f"So.\n{run}\n{WORDLESS}{look}", conversation=(BODY,))
    assert quoted == [f"So.\n{run}\n{WORDLESS}", Action("run", {"text": "look"})]


def test_very_many_blocks_without_the_word_are_text() -> None:
    """None of them is searched for in the conversation."""
    assert len(parse(WORDLESS * MOST_UNPROVED)) == MOST_UNPROVED
    assert parse(WORDLESS * (MOST_UNPROVED + 1)) == [WORDLESS * (MOST_UNPROVED + 1)]


def test_text_does_not_wait_for_a_block_behind_it() -> None:
    """The block alone waits, and what is blank after it, until it is known what follows."""
    parser = parser_for()
    assert parser.feed("So.\n" + WORDLESS) == ["So.\n"]
    assert not parser.passes("x")
    assert parser.feed("\n") == []
    assert parser.feed("x") == [f"{WORDLESS}\nx"]
    assert parser.passes("x")


def test_without_a_word_nothing_is_proved() -> None:
    """A fence without one is not taken for one with the empty word."""
    parser = ActionParser(NAMES, "", Quotes([]))
    assert parser.feed(WORDLESS) == []
    assert parser.feed("x") == [f"{WORDLESS}x"]


def test_several_actions_come_in_order() -> None:
    """In blocks of their own, as an array, or one after the other in one block."""
    run = '{"tool": "run", "arguments": {}}'
    both = f'```json action {WORD}\n[{run}, {{"tool": "read_file", "arguments": {{"path": "a"}}}}]\n{run}\n```'
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
    block = f'```json action {WORD}\n{{"tool": "run", "arguments": {{"text": "{written}"}}}}\n```\n'
    assert parse(block) == parse(*block) == [Action("run", {"text": meant})]


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 1\n```\n",
        '```json\n{"a": 1}\n```\n',
        '```json\n{"tool": "somebody_elses", "arguments": {}}\n```\n',
        f'````md\n```json action {WORD}\n{{"tool": "run"}}\n```\n````\n',
        f'    ```json action {WORD}\n{{"tool": "run"}}\n',
        f'inline ```json action {WORD} {{"tool": "run"}}```',
        '```json action\n{"tool": "unknown", "arguments": {}}\n```\n',
        '```json action\n{"tool": "run", "arguments"\n```\n',
        '```json action\n{"tool": "run", "arguments": {}}\n[5]\n```\n',
        "```json action\nrun it\n```\n",
        '```json action\n{"tool": "run", "argu',
        "<tool_call>read it</tool_call>\n",
        "```" + "x" * 300 + '\n{"tool": "run", "arguments": {}}\n',
        f"```json action {WORD}" + " " * 300 + f"\n{BODY}\n",
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
    (fault,) = parse(f"```json action {WORD}\n{body}")
    assert isinstance(fault, Faulty)
    assert fault.text == f"```json action {WORD}\n{body}"
    assert reason in fault.reason


def test_what_follows_a_faulty_block_is_text() -> None:
    """The block ends with its fence."""
    pieces = parse(f"```json action {WORD}\nread it\n```\nso\n" + CALL)
    assert isinstance(pieces[0], Faulty)
    assert pieces[1:] == ["so\n", READ]
