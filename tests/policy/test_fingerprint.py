"""Fingerprints: a continued conversation is found again, and no other conversation is taken for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lingma_trio.policy.fingerprint import KEY_BYTES, SIFTED, Fingerprint, answer_digest, fingerprint, newest_part
from lingma_trio.turns import Message, Prompt, Role, ToolCall

texts = st.text(st.sampled_from("ab \n:0你\ud800"), max_size=6)
calls = st.builds(ToolCall, id=texts, name=texts, arguments=texts)
others: st.SearchStrategy[Role] = st.sampled_from(("system", "developer", "user", "tool", "function"))


def messages_of(roles: st.SearchStrategy[Role]) -> st.SearchStrategy[Message]:
    """Messages with every field filled."""
    tuples = st.lists(texts, max_size=2).map(tuple)
    return st.builds(
        Message,
        role=roles,
        text=texts,
        name=texts,
        tool_call_id=texts,
        tool_calls=st.lists(calls, max_size=2).map(tuple),
        attachments=tuples,
    )


turns = messages_of(others)
answers = messages_of(st.just("assistant"))
conversations = st.lists(turns | answers, max_size=5).map(tuple)


def key(prompt: Prompt, *, tenant: str = "tenant", model: str = "model", mode: str = "chat") -> Fingerprint:
    """The fingerprint for a tenant, model and mode that do not matter."""
    return fingerprint(prompt, tenant=tenant, model=model, mode=mode)


def said(*turns: str) -> Prompt:
    """A conversation of the user's and the assistant's turns, in alternation."""
    roles: tuple[Role, Role] = ("user", "assistant")
    return Prompt(tuple(Message(roles[place % 2], text) for place, text in enumerate(turns)))


def keyed(prompt: Prompt) -> list[Message]:
    """What the keys promise to cover."""
    return [message for message in prompt.messages if message.role != "assistant"]


@given(before=conversations, tools=texts, answer=answers, newest=st.lists(turns, min_size=1, max_size=3).map(tuple))
def test_the_next_request_claims_what_this_one_commits(
    before: tuple[Message, ...], tools: str, answer: Message, newest: tuple[Message, ...]
) -> None:
    """Whatever the client makes of the answer, the key of the conversation that it ended is found."""
    following = Prompt((*before, answer, *newest), tools)
    assert key(following).claim == key(Prompt(before, tools)).commit
    assert key(following).answer == answer_digest(answer.text, answer.tool_calls)
    assert newest_part(following) == newest


@given(data=st.data(), before=conversations, newest=turns)
def test_earlier_answers_may_be_rewritten(data: st.DataObject, before: tuple[Message, ...], newest: Message) -> None:
    """No answer's text, name or calls reach a key, be it the last one or an earlier one."""
    rewritten = tuple(data.draw(answers) if message.role == "assistant" else message for message in before)
    one, other = key(Prompt((*before, newest))), key(Prompt((*rewritten, newest)))
    assert (one.claim, one.commit) == (other.claim, other.commit)


@given(one=conversations, other=conversations)
def test_different_conversations_have_different_keys(one: tuple[Message, ...], other: tuple[Message, ...]) -> None:
    """Keys agree exactly where all messages but the assistant's agree."""
    left, right = Prompt(one), Prompt(other)
    assert (key(left).commit == key(right).commit) == (keyed(left) == keyed(right))


PROMPT = Prompt(
    (
        Message("system", "be brief"),
        Message("user", "[image]", name="ann", attachments=("a1", "b2")),
        Message("tool", "42", tool_call_id="call_1", tool_calls=(ToolCall("call_1", "sum", "{}"),)),
        Message("assistant", "yes"),
        Message("user", "more"),
    ),
    tools='[{"name":"sum"}]',
)


@pytest.mark.parametrize(
    ("place", "changed"),
    [
        (0, Message("developer", "be brief")),
        (0, Message("system", "be brief ")),
        (1, replace(PROMPT.messages[1], name="bob")),
        (1, replace(PROMPT.messages[1], name="")),
        (1, replace(PROMPT.messages[1], attachments=("a1", "b3"))),
        (1, replace(PROMPT.messages[1], attachments=("b2", "a1"))),
        (1, replace(PROMPT.messages[1], attachments=("a1b2",))),
        (1, replace(PROMPT.messages[1], attachments=())),
        (2, replace(PROMPT.messages[2], tool_call_id="call_2")),
        (2, replace(PROMPT.messages[2], tool_calls=(ToolCall("call_2", "sum", "{}"),))),
        (2, replace(PROMPT.messages[2], tool_calls=(ToolCall("call_1", "sub", "{}"),))),
        (2, replace(PROMPT.messages[2], tool_calls=(ToolCall("call_1", "sum", "{} "),))),
        (2, replace(PROMPT.messages[2], tool_calls=())),
        (2, replace(PROMPT.messages[2], role="function")),
    ],
)
def test_every_field_of_a_turn_counts(place: int, changed: Message) -> None:
    """Another role, text, name, attachment or tool id is another conversation, for both keys."""
    messages = list(PROMPT.messages)
    messages[place] = changed
    before, after = key(PROMPT), key(replace(PROMPT, messages=tuple(messages)))
    assert before.claim != after.claim
    assert before.commit != after.commit


def test_the_tool_configuration_counts() -> None:
    """The same words with other tools are another conversation."""
    before, after = key(PROMPT), key(replace(PROMPT, tools=""))
    assert before.claim != after.claim
    assert before.commit != after.commit


@pytest.mark.parametrize("other", [{"tenant": "other"}, {"model": "other"}, {"mode": "agent"}])
def test_tenant_model_and_mode_count(other: dict[str, str]) -> None:
    """One tenant's session is never found by another, nor one model's or one mode's."""
    assert key(PROMPT).claim != key(PROMPT, **other).claim
    assert key(PROMPT).commit != key(PROMPT, **other).commit


@given(
    one=st.tuples(texts, texts, texts, texts),
    other=st.tuples(texts, texts, texts, texts),
)
def test_what_stands_before_the_turns_cannot_run_together(
    one: tuple[str, str, str, str], other: tuple[str, str, str, str]
) -> None:
    """Tenant "ab" with model "c" is not tenant "a" with model "bc"."""
    assume(one != other)
    first, second = (
        fingerprint(Prompt((), tools), tenant=tenant, model=model, mode=mode)
        for tenant, model, mode, tools in (one, other)
    )
    assert first.commit != second.commit


def test_texts_cannot_run_together() -> None:
    """What one message ends with is not what the next begins with."""
    one = Prompt((Message("user", "ab"), Message("user", "c")))
    other = Prompt((Message("user", "a"), Message("user", "bc")))
    assert key(one).commit != key(other).commit


def test_lists_cannot_run_together() -> None:
    """Three attachments are not a tool call of three fields."""
    attached = Message("user", "hi", attachments=("a", "b", "c"))
    called = Message("user", "hi", tool_calls=(ToolCall("a", "b", "c"),))
    assert key(Prompt((attached,))).commit != key(Prompt((called,))).commit


def test_the_order_of_turns_counts() -> None:
    """Two turns that changed places are another conversation."""
    one = Prompt((Message("user", "a"), Message("user", "b")))
    assert key(one).commit != key(replace(one, messages=one.messages[::-1])).commit


@pytest.mark.parametrize(
    "prompt",
    [Prompt(()), said("hi"), said("hi", "hello"), Prompt((Message("assistant", "hello"),))],
    ids=["nothing", "first question", "answer at the end", "answer alone"],
)
def test_without_answer_and_question_there_is_nothing_to_claim(prompt: Prompt) -> None:
    """A first question continues nothing, and neither does a conversation that ends with an answer."""
    print_ = key(prompt)
    assert print_.claim is None
    assert print_.answer is None
    assert len(print_.commit) == KEY_BYTES


def test_an_answer_begun_by_the_client_is_found_again_when_it_is_complete() -> None:
    """A request that ends with a piece of the answer is continued by one that holds all of it."""
    assert key(said("hi", "hel")).commit == key(said("hi", "hello", "more")).claim


def test_of_several_answers_in_a_row_the_last_one_ends_the_known_part() -> None:
    """The claim covers the turns before it, the digest is of it alone, and the newest part begins behind it."""
    newest = (Message("tool", "42", tool_call_id="c"), Message("user", "go on"))
    prompt = Prompt((Message("user", "hi"), Message("assistant", "a"), Message("assistant", "b"), *newest))
    assert key(prompt).claim == key(said("hi")).commit
    assert key(prompt).answer == answer_digest("b")
    assert newest_part(prompt) == newest


def test_the_newest_part_without_an_answer_is_everything() -> None:
    """With nothing answered, nothing is known."""
    assert newest_part(said("hi")) == said("hi").messages
    assert newest_part(said("hi", "hello")) == ()


@pytest.mark.parametrize(
    "again",
    [
        "Use `print(1)`:\n\n* one\n* TWO",
        "use print(1)   one two",
        "**Use** print(1)\r\n- one\r\n- two_",
    ],
)
def test_reformatting_keeps_the_answers_digest(again: str) -> None:
    """Markup, blanks, punctuation and case do not count."""
    assert answer_digest(again) == answer_digest("Use print(1): one, two.")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("你好。世界", "你好 世界"),
        ("Straße", "STRASSE"),
        ("١٢٣،٤", "١٢٣٤"),
        ("Привет!", "ПРИВЕТ"),
    ],
)
def test_every_script_is_reduced(one: str, other: str) -> None:
    """Letters and digits are those of any script, folded as that script folds."""
    assert answer_digest(one) == answer_digest(other) != answer_digest("")


@given(one=texts, other=texts)
def test_other_letters_are_another_answer(one: str, other: str) -> None:
    """Digests agree exactly where the letters and digits agree."""

    def letters(text: str) -> list[str]:
        return [character for character in text.casefold() if character.isalnum()]

    assert (answer_digest(one) == answer_digest(other)) == (letters(one) == letters(other))


def test_a_book_counts_letter_by_letter() -> None:
    """Up to a length only letters do, in ASCII at any length; what is longer is never taken for another text."""
    for text in ("你" * (SIFTED - 1), "a" * (2 * SIFTED)):
        assert answer_digest(text) == answer_digest(text + "!")
    book = "你" * SIFTED + "!"
    assert answer_digest(book) == answer_digest(str(book)) != answer_digest(book + "!")
