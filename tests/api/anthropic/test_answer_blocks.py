"""The blocks of an answer, folded from its events."""

from __future__ import annotations

from pydantic_core import from_json

from lingma_trio.api.anthropic.answer_blocks import SIGNATURE, AnswerBlocks
from lingma_trio.turns import ToolCall


def test_blocks_come_in_the_order_of_their_events() -> None:
    """A new one wherever the kind changes, and none without text."""
    blocks = AnswerBlocks()
    for kind, text in (("thinking", "hm"), ("text", ""), ("text", "a"), ("text", "b")):
        blocks.add("thinking" if kind == "thinking" else "text", text)
    blocks.call(ToolCall("1", "look", '{"at":1}'))
    assert blocks.listed() == [
        {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
        {"type": "text", "text": "ab"},
        {"type": "tool_use", "id": "1", "name": "look", "input": {"at": 1}},
    ]


def test_a_new_text_takes_the_place_of_the_old() -> None:
    """Reasoning and calls stay."""
    blocks = AnswerBlocks()
    blocks.add("thinking", "hm")
    blocks.add("text", "a")
    blocks.call(ToolCall("1", "look", "{}"))
    blocks.replace("b")
    assert [block["type"] for block in from_json(blocks.turn())["content"]] == ["thinking", "tool_use", "text"]
