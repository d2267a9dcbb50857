"""How questions are asked: under which model, in which mode, and what a session that holds the rest is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from lingma_trio.lingma.asker import DialogueOptions, declared_tools, newest_question, pictures_in, question_of
from lingma_trio.lingma.turn import TurnBounds
from lingma_trio.protocol.catalogue import Catalogue
from lingma_trio.turns import Message, Prompt, Tool, Toolbox
from tests.peers import MODELS

OPTIONS = DialogueOptions(TurnBounds(first_delta=1, idle=1, max_size=1), "org_auto", "chat", reuse_sessions=True)
CATALOGUE = Catalogue.read(MODELS)
TOOL = Tool("look", "Looks at the sky.", {})


def asking(choice: Literal["auto", "none"] | None) -> Prompt:
    """A question, with a tool unless there is no choice."""
    return Prompt((Message("user", "Why?"),), toolbox=None if choice is None else Toolbox((TOOL,), choice))


@pytest.mark.parametrize(("name", "key"), [("qwen", "qwen"), ("Qwen", "qwen"), ("gpt-4", "org_auto"), ("", "org_auto")])
def test_model_answers_to_any_of_its_names(name: str, key: str) -> None:
    """And the default in place of one that nobody knows."""
    assert OPTIONS.key(name, CATALOGUE) == key
    found = OPTIONS.find(name, CATALOGUE)
    assert found is not None
    assert found.key == key


def test_default_that_is_in_no_list_is_no_model() -> None:
    """It is asked for all the same, as its key says."""
    options = replace(OPTIONS, default_model="hidden")
    assert options.find("gpt-4", Catalogue.read({})) is None
    assert options.key("gpt-4", Catalogue.read({})) == "hidden"


def test_mode_is_another_where_tools_may_be_called() -> None:
    """Tools that may not be called are none."""
    options = replace(OPTIONS, mode="chat", tool_mode="agent")
    assert [options.mode_of(asking(choice)) for choice in ("auto", "none", None)] == ["agent", "chat", "chat"]
    assert declared_tools(asking("auto")) == {"look"}
    assert declared_tools(asking("none")) == frozenset()
    assert declared_tools(asking(None)) == frozenset()


def test_session_that_holds_the_rest_is_asked_the_newest_part() -> None:
    """Behind what it has to be told before."""
    prompt = Prompt((Message("user", "Why blue?"), Message("assistant", "So."), Message("user", "Sure?")))
    asked = newest_question(prompt, "By the way.")
    assert "Sure?" in asked
    assert asked.index("By the way.") < asked.index("Sure?")
    assert "Why blue?" not in asked
    assert newest_question(prompt, "") == "Sure?"


def test_session_knows_the_tools_that_it_was_told_of() -> None:
    """It is reminded of them, and not told all again."""
    first = Message("user", "Why blue?")
    messages = (first, Message("assistant", "So."), Message("user", "Sure?"))
    asked = newest_question(Prompt(messages, toolbox=Toolbox((TOOL,), word="w")), "")
    assert asked != "Sure?"
    assert TOOL.description not in asked


def test_pictures_are_in_the_order_of_their_messages() -> None:
    """All of them."""
    messages = [Message("user", "a", images=("1", "2")), Message("assistant", "b"), Message("user", "c", images=("3",))]
    assert pictures_in(messages) == ("1", "2", "3")


def test_question_goes_on_where_a_session_holds_the_rest() -> None:
    """Only then is it a reply; the pictures of all but the message that is to be answered are the older ones."""
    messages = (Message("user", "", images=("1", "2")), Message("user", "Why?", images=("3",)))
    prompt = replace(asking("auto"), messages=messages)
    fresh = question_of(prompt, messages, text="t", model_key="m", mode="chat", session_id="")
    assert (fresh.is_reply, fresh.images, fresh.older_images) == (False, ("1", "2", "3"), 2)
    assert fresh.tools == {"look"}
    further = question_of(prompt, messages[1:], text="t", model_key="m", mode="chat", session_id="s")
    assert (further.is_reply, further.session_id, further.older_images) == (True, "s", 0)
    assert fresh.request_id != further.request_id
