"""Questions that come back shorter: what a client is known to leave out may be missing, and nothing else."""

from __future__ import annotations

import pytest

from lingma_trio.sessions.proof import Turns
from lingma_trio.sessions.questions import MOST_KEPT_REDUCTIONS, MOST_KEPT_TURNS, MOST_REDUCTIONS
from lingma_trio.turns import Message
from tests.conversations import keys, told, turns_of, user


def came_back(sent: Turns, returned: Turns) -> bool:
    """Whether what was sent is what came back."""
    questions = sent.questions()
    return questions is not None and questions.come_back_as(returned)


SENT = "fix it\n\nRules: be brief.\n\nMore rules."


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        (user(SENT), user("fix it")),
        (user(SENT), user("fix it\n\nRules: be brief.")),
        (user("fix it\n<system-reminder>x</system-reminder>", breaks=(6,)), user("fix it")),
        (user("pre\nfix it\npost", breaks=(3, 10)), user("fix it")),
        (user("pre\nfix it\npost", breaks=(3, 10)), user("pre\npost", breaks=(3,))),
        (user("a\nfix it \n", breaks=(1,)), user("a\nfix it", breaks=(1,))),
    ],
)
def test_a_question_may_come_back_shorter(sent: Message, returned: Message) -> None:
    """Promise: whole parts may be missing, or all that stood after a blank line."""
    kept, later = turns_of(sent, told("a")), turns_of(returned, told("a"))
    assert keys(sent, told("a")).answers == keys(returned, told("a")).answers
    assert came_back(kept, later)


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        (user(SENT), user("fix")),
        (user(SENT), user("fix it\n\nRules: be")),
        (user(SENT), user("Rules: be brief.")),
        (user(SENT), user("fix it\n\nMore rules.")),
        (user("fix it"), user(SENT)),
        (user("fix it now"), user("fix it")),
        (user("pre\nfix it", breaks=(3,)), user("fix it\npre", breaks=(6,))),
        (user("pre\nfix it", breaks=(3,)), user("other")),
        (user("see\n\nmore", attachments=("p1",)), user("see", attachments=("p2",))),
        (user("see\n\nmore", attachments=("p1",)), user("see")),
        (user("\n\nsee\n\nmore"), user("")),
    ],
)
def test_any_other_change_of_a_question_is_an_edit(sent: Message, returned: Message) -> None:
    """Promise: a cut in the middle of a sentence, other words or another picture is another question."""
    assert not came_back(turns_of(sent, told("a")), turns_of(returned, told("a")))


@pytest.mark.parametrize("plain", ["hello", "goodbye"])
def test_a_question_that_stays_whole_stays_as_it_was(plain: str) -> None:
    """Promise: beside one that came back shorter, another of which nothing can be left out has to be the same."""
    kept = turns_of(user("hello"), told("a"), user(SENT), told("b"))
    assert came_back(kept, turns_of(user(plain), told("a"), user("fix it"), told("b"))) == (plain == "hello")


def test_too_many_parts_are_not_looked_at() -> None:
    """Promise: a question in very many parts comes back whole or is another one, however alike its beginning is."""
    sent, other = ["x"] * (MOST_REDUCTIONS + 2), ["x"] * (MOST_REDUCTIONS + 1)
    breaks = tuple(range(1, 2 * MOST_REDUCTIONS + 3, 2))
    one, two = user("\n".join(sent), breaks=breaks), user("\n".join([*other[:-1], "y"]), breaks=breaks[:-1])
    assert not came_back(turns_of(one, told("a")), turns_of(two, told("a")))
    assert not came_back(turns_of(user("x\n\ny", breaks=(1,)), told("a")), turns_of(two, told("a")))


def test_what_is_kept_of_questions_has_a_bound() -> None:
    """Promise: of very long conversations, or ones with very many blank lines, no more is kept than their keys."""
    assert turns_of(user("no blank line"), told("a")).questions() is None
    assert turns_of(*[user("a\n\nb")] * 200, told("a")).questions() is not None
    assert turns_of(*[user("a\n\nb")] * (MOST_KEPT_TURNS + 1), told("a")).questions() is None
    many = user("a\n\n" * MOST_REDUCTIONS)
    too_many = turns_of(*[many] * (MOST_KEPT_REDUCTIONS // MOST_REDUCTIONS + 1))
    assert not too_many.asked, "not even while the request is there"
    too_many.add(many)
    too_many.add(told("a"))
    too_many.settle()
    assert too_many.questions() is None
