"""One request's conversation: what it continues is what the request before it became."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.sessions.conversation import Conversation, newest_calls, newest_part
from lingma_trio.sessions.proof import Seed
from lingma_trio.turns import Message, Prompt, Role, ToolCall

SEED = Seed("tenant", "model", "chat", "")
roles: st.SearchStrategy[Role] = st.sampled_from(("system", "user", "tool", "assistant"))
messages = st.builds(Message, role=roles, text=st.sampled_from(("", "a", "b\n\nc")))
asked = st.builds(Message, role=st.sampled_from(("user", "tool")), text=st.sampled_from(("a", "b")))
CALL = ToolCall("c", "look", '{"at": 1}')


@given(before=st.lists(messages, max_size=4).map(tuple), question=asked, newest=asked, text=st.sampled_from(("", "x")))
def test_the_next_request_continues_what_this_one_became(
    before: tuple[Message, ...], question: Message, newest: Message, text: str
) -> None:
    """Promise: the keys of the answered conversation are those that the request after it looks for."""
    prompt = Prompt((*before, question))
    answered = Conversation(prompt, SEED).answered(text, (CALL,))
    answer = Message("assistant", text, tool_calls=(CALL,))
    following = Conversation(Prompt((*prompt.messages, answer, newest)), SEED)
    assert following.before is not None
    assert following.before.keys == answered.keys
    assert Conversation(prompt, SEED).question == answered.keys.question


def test_there_is_nothing_to_continue_before_an_answer_or_after_none() -> None:
    """Promise: a conversation that begins, or ends with an answer, continues nothing."""
    assert Conversation(Prompt((Message("user", "q"),)), SEED).before is None
    assert Conversation(Prompt((Message("user", "q"), Message("assistant", "a"))), SEED).before is None


def test_an_answer_is_one_with_its_beginning() -> None:
    """Promise: its client puts the two together, and the session is found by the whole of it."""
    question, begun = Message("user", "q"), Message("assistant", "An old")
    prompt = Prompt((question, begun))
    assert newest_part(prompt) == prompt.messages
    answered = Conversation(prompt, SEED).answered(" pond", ())
    following = Conversation(Prompt((question, Message("assistant", "An old pond"), Message("user", "s"))), SEED)
    assert following.before is not None
    assert following.before.keys == answered.keys


def test_what_is_new_stands_after_the_last_answer() -> None:
    """Promise: the newest part and the calls it may bring results of are those after, and of, the last answer."""
    answer = Message("assistant", "", tool_calls=(CALL,))
    prompt = Prompt((Message("user", "q"), answer, Message("tool", "r"), Message("user", "s")))
    assert newest_part(prompt) == prompt.messages[2:]
    assert newest_calls(prompt) == (CALL,)
    assert newest_calls(Prompt((Message("user", "q"),))) == ()
