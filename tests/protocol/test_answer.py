"""What a client is shown of an answer, and what is said of the rest."""

from __future__ import annotations

import pytest

from lingma_trio.protocol.answer import Answer
from lingma_trio.protocol.tools.cards import ToolCard
from lingma_trio.turns import Finished, ToolCall
from tests.protocol.sink import Sink

CALL = ToolCall("1", "f", "{}")


@pytest.mark.parametrize(("more", "unsaid"), [("", False), ("\n", False), ("It says: 42.", True)])
def test_words_after_a_call_are_owned_up_to(more: str, unsaid: bool) -> None:
    """Promise: what upstream makes of a call by itself is no part of the answer, and nobody takes it for one."""
    sink = Sink()
    answer = Answer(sink, on_card=lambda _: None)
    answer.text("I look.")
    answer.call(CALL)
    answer.text(more)
    answer.finish(200, "")
    assert sink.shown == "I look."
    assert sink.events[-2:] == [CALL, Finished("", unsaid=unsaid)]


def test_text_that_is_put_in_the_place_of_a_call_is_owned_up_to() -> None:
    """Promise: an overwrite after a call changes nothing for the client, and is told."""
    sink = Sink()
    answer = Answer(sink, on_card=lambda _: None)
    answer.call(CALL)
    answer.overwrite("No call.")
    answer.finish(200, "")
    assert sink.events == [CALL, Finished("", unsaid=True)]


@pytest.mark.parametrize("whole", [False, True])
def test_further_calls_are_named_after_the_first(whole: bool) -> None:
    """Promise: a card is read wherever it stands, since some runtimes name a call nowhere else."""
    cards: list[ToolCard] = []
    sink = Sink()
    answer = Answer(sink, on_card=cards.append)
    answer.call(CALL)
    for piece in ("\n```toolCall::", "f::2::INIT\n```\n"):
        answer.text(piece)
    if whole:
        answer.overwrite("\n```toolCall::f::3::INIT\n```\n")
    answer.text("\n```toolCall::f::4")
    answer.finish(200, "")
    assert cards == [ToolCard("f", call_id) for call_id in ("2", *("3" * whole), "4")]
    assert sink.events == [CALL, Finished("", unsaid=whole)]
