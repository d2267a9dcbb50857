"""What all turns share: the terms they are asked on, and how an opening leads to the question or to a failure."""

from __future__ import annotations

import pytest

from lingma_trio.protocol.answer import Answer, Failed
from lingma_trio.protocol.lingma_turn import LingmaTurn
from lingma_trio.protocol.messages import Question, session_key
from lingma_trio.protocol.opening import OpeningFault
from lingma_trio.protocol.request import Refusal, Request
from lingma_trio.protocol.turn_machine import Dialect, Terms
from tests.protocol.sink import Sink

ASK = Request("ask", {}, awaited=True)


class Faulty:
    """An opening that stands still at every step, with a reason of its own for each."""

    asked = False

    def begin(self) -> list[Request]:
        """The first step."""
        raise OpeningFault("at the start", -3)

    def answered(self, request: Request, result: object) -> list[Request]:
        """The step after an answer."""
        raise OpeningFault(f"after {request.method}: {result}", -3)

    def refused(self, request: Request, refusal: Refusal) -> list[Request]:
        """The step after an error."""
        raise OpeningFault(f"after {request.method}: {refusal.reason}", -3)


class Willing:
    """An opening that asks at every step."""

    asked = True

    def begin(self) -> list[Request]:
        """The first step."""
        return [ASK]

    def answered(self, request: Request, result: object) -> list[Request]:
        """The step after an answer."""
        return [request]

    def refused(self, request: Request, refusal: Refusal) -> list[Request]:
        """The step after an error."""
        return [request]


class Turn(LingmaTurn):
    """A turn whose pushes mean nothing."""

    def _plain_text(self, method: str, params: dict[str, object]) -> None:
        """None is text."""

    def _read(self, method: str, params: dict[str, object]) -> None:
        """Take nothing from it."""

    def stop(self) -> Request:
        """Stop nothing."""
        return ASK


def turn_with(opening: Faulty | Willing, sink: Sink, session_id: str = "") -> Turn:
    """A turn that is opened so."""
    return Turn(Question("r", "Why?", "auto", session_id=session_id), sink, Terms(), opening)


@pytest.mark.parametrize(("dialect", "who"), [("chat", "Lingma"), ("session", "Lingma"), ("acp", "the agent")])
def test_people_read_who_answers(dialect: Dialect, who: str) -> None:
    """An agent is not called Lingma."""
    assert Terms(dialect).who == who


def test_the_dialect_changes_for_the_other_as_often_as_was_allowed() -> None:
    """Each change is one less, and nothing else is another."""
    terms = Terms("chat", frozenset({"t"}), "/work", changes=2)
    assert terms.changed() == Terms("session", frozenset({"t"}), "/work", changes=1)
    assert terms.changed().changed() == Terms("chat", frozenset({"t"}), "/work", changes=0)


def test_what_an_opening_asks_is_sent_once() -> None:
    """An answer and an error lead on alike, and what was taken is gone."""
    turn = turn_with(Willing(), Sink())
    assert turn.begin() == [ASK]
    turn.answered(ASK, None)
    turn.refused(ASK, Refusal(-1, "no"))
    assert turn.take_outgoing() == [ASK, ASK]
    assert turn.take_outgoing() == []
    assert turn.asked
    assert turn.settling == 0


def test_an_opening_that_stands_still_fails_the_turn() -> None:
    """At each of its steps, with its status and its reason; the question is not out."""
    for step, reason in enumerate(["at the start", "after ask: x", "after ask: no"]):
        sink = Sink()
        turn = turn_with(Faulty(), sink)
        if step == 0:
            assert turn.begin() == []
        elif step == 1:
            turn.answered(ASK, "x")
        else:
            turn.refused(ASK, Refusal(-1, "no"))
        assert sink.events == [Failed(-3, reason)]
        assert not turn.asked


def test_a_session_is_known_by_the_newest_that_names_it() -> None:
    """What an answer names goes before what was asked in, and without either there is nothing to be known by."""
    turn = turn_with(Willing(), Sink(), "s-0")
    assert (turn.session_id, turn.aliases) == ("s-0", (session_key("s-0"),))
    turn.answer.see_session("s-1")
    assert (turn.session_id, turn.aliases) == ("s-1", (session_key("s-1"),))
    fresh = turn_with(Willing(), Sink())
    assert (fresh.session_id, fresh.aliases) == ("", ())


def test_no_tool_ran_unless_a_turn_knows_of_one() -> None:
    """What Lingma runs where it was not told to is a matter of agents alone."""
    assert turn_with(Willing(), Sink()).take_ran() == []


def test_an_answer_of_its_own_is_kept_from_the_question() -> None:
    """Neither the text nor the pictures of a question stay in memory for as long as it is answered."""
    turn = Turn(Question("r", "Why?" * 1000, "auto", images=("data:",)), Sink(), Terms(), Willing())
    assert (turn.question.request_id, turn.question.text, turn.question.images) == ("r", "", ())
    assert isinstance(turn.answer, Answer)
