"""Tool cards leave an answer's text whole, wherever the deltas cut them, and everything else passes as it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingma_trio.protocol.tools.cards import MAX_BODY, MAX_HEAD, CardCutter, ToolCard

CARD = "```toolCall::read_file::call_1::PENDING\n```\n"


def fed(*deltas: str) -> tuple[str, list[ToolCard]]:
    """The text that is left of these deltas, and the cards."""
    cutter = CardCutter()
    pieces = [piece for delta in deltas for piece in cutter.feed(delta)] + cutter.flush()
    return "".join(p for p in pieces if isinstance(p, str)), [p for p in pieces if isinstance(p, ToolCard)]


@pytest.mark.parametrize(
    ("text", "left", "cards"),
    [
        (CARD, "", [ToolCard("read_file", "call_1")]),
        (f"I look.\n{CARD}Done.", "I look.\nDone.", [ToolCard("read_file", "call_1")]),
        (f"{CARD}{CARD.replace('call_1', 'call_2')}", "", [ToolCard("read_file", f"call_{n}") for n in (1, 2)]),
        ("```toolCall::list_dir::c::FINISHED\n{}\n```", "", [ToolCard("list_dir", "c")]),
        ("```toolCall::list_dir::c::FINISHED", "", [ToolCard("list_dir", "c")]),
        ("```toolCall::list_dir::c::INIT\n```rest", "rest", [ToolCard("list_dir", "c")]),
        ("```toolCall::list_dir\n```\nx", "x", [ToolCard("list_dir", "")]),
        ("```toolCall::a::b::INIT\nnever closed", "never closed", [ToolCard("a", "b")]),
        ("```toolCall::a::b::INIT\n``", "", [ToolCard("a", "b")]),
    ],
)
def test_a_card_leaves_with_all_its_lines(text: str, left: str, cards: list[ToolCard]) -> None:
    """Only the text around it is shown, and the card says which call has which name."""
    assert fed(text) == (left, cards)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "```python\nprint()\n```\n",
        "say ```toolCall::a::b::INIT",
        "````toolCall::a::b::INIT\n```\n",
        "```toolcall::a::b::INIT\n```\n",
        "```toolCall:",
        "\n```toolC",
        "```toolCall::" + "x" * MAX_HEAD + "\n```\n",
    ],
)
def test_everything_else_passes_unaltered(text: str) -> None:
    """Code fences, quotations of the markup and what is cut off before it could be told are text."""
    assert fed(text) == (text, [])


def test_a_card_that_is_never_closed_holds_back_a_bounded_text() -> None:
    """Its content is text after all, and comes before the answer is over."""
    cutter = CardCutter()
    body = "x" * (MAX_BODY + 10)
    assert cutter.feed("```toolCall::a::b::INIT\n" + body) == [ToolCard("a", "b"), body]


def test_text_is_not_held_back() -> None:
    """What cannot become a card goes out with the delta that brought it."""
    cutter = CardCutter()
    assert cutter.passes("text")
    assert cutter.feed("more\n``") == ["more\n"]
    assert not cutter.passes("x")
    assert cutter.feed("x") == ["``x"]
    assert cutter.passes("y")


fragments = st.sampled_from([
    CARD, "```toolCall::", "```toolCall::a::b::c\n", "```", "\n", "``", "text", "a\n```", "`", "x" * 600, "y" * 5000,
])  # fmt: skip


@settings(max_examples=60)
@given(parts=st.lists(fragments, max_size=6), size=st.integers(1, 40))
def test_chunking_makes_no_difference(parts: list[str], size: int) -> None:
    """Whatever the text is and wherever it is cut, the same is left of it."""
    text = "".join(parts)
    assert fed(*(text[at : at + size] for at in range(0, len(text), size))) == fed(text)


@settings(max_examples=60)
@given(parts=st.lists(fragments, max_size=6))
def test_the_short_way_is_the_same_way(parts: list[str]) -> None:
    """A delta that passes counts as fed."""
    cutter, shown = CardCutter(), ""
    cards: list[ToolCard] = []
    for part in parts:
        pieces: list[str | ToolCard] = [part] if cutter.passes(part) else cutter.feed(part)
        shown += "".join(p for p in pieces if isinstance(p, str))
        cards += [p for p in pieces if isinstance(p, ToolCard)]
    rest = cutter.flush()
    shown += "".join(p for p in rest if isinstance(p, str))
    assert (shown, cards + [p for p in rest if isinstance(p, ToolCard)]) == fed("".join(parts))
