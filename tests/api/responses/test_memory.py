"""What is kept of a request, and what a later one refers to: found at once, bounded, and the request's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from lingma_trio.api.asked.fields import MAX_MESSAGES
from lingma_trio.api.responses.asked import ResponseRequest as Asked
from lingma_trio.api.responses.items import Item, read_input
from lingma_trio.api.responses.memory import Memory, named_items, recall, references, resolved
from lingma_trio.errors import InvalidRequest, ItemNotFound, PreviousResponseNotFound
from lingma_trio.policy.response_store import Encoded, StoredResponse

ITEM = b'{"role":"user","content":"One?"}'


RESPONSE = StoredResponse((("msg_1", ITEM),), Encoded(b"[", (), b"]"), None)


def reference(name: object = "msg_1") -> dict[str, Any]:
    return {"type": "item_reference", "id": name}


def test_each_item_has_an_id_and_a_message_its_parts() -> None:
    """The client's own ids stand; where it gave none, they follow from the response's."""
    items: list[Item] = [
        *read_input("Hello."),
        {"role": "user", "content": "You?"},
        {"role": "assistant", "content": "Me.", "id": "mine"},
        {"type": "function_call_output", "call_id": "c", "output": "x", "id": None},
    ]
    named = named_items(items, "7")
    kept = [json.loads(text) for _, text in named]
    assert [name for name, _ in named] == [item["id"] for item in kept]
    assert [item["id"] for item in kept] == ["msg_7_in0", "msg_7_in1", "mine", "item_7_in3"]
    assert [item["type"] for item in kept] == ["message"] * 3 + ["function_call_output"]
    assert kept[1]["content"] == [{"type": "input_text", "text": "You?"}]
    assert kept[2]["content"] == [{"type": "output_text", "text": "Me."}]


def test_what_a_request_refers_to_is_its_own_once_it_is_found() -> None:
    """Nobody is asked after that: the store may go on while a thread reads."""
    asked = Asked(previous_response_id="resp_1", input=[reference(), {}, reference(7)])
    assert references(asked) == ["msg_1"]
    memory = recall(asked, RESPONSE, {"msg_1": ITEM}, most=1000)
    assert [dict(item) for item in memory.conversation()] == [json.loads(ITEM)]
    assert list(resolved([reference()], memory)) == [json.loads(ITEM)]
    nothing = Asked(input="a", previous_response_id="")
    assert (references(nothing), recall(nothing, None, {}, most=0)) == ([], Memory())


def test_reference_may_leave_out_that_it_is_one() -> None:
    """A bare id is one, with the type null or not there, as OpenAI's own clients write it; a message is none."""
    asked = Asked(input=[{"id": "msg_1"}, {"id": "msg_1", "type": None}, {"id": "msg_1", "role": "user"}, {}])
    assert references(asked) == ["msg_1", "msg_1"]
    memory = recall(asked, None, {"msg_1": ITEM}, most=1000)
    assert list(resolved([{"id": "msg_1"}, {"id": "msg_1", "type": None}], memory)) == [json.loads(ITEM)] * 2


def test_what_is_referred_to_counts_as_if_it_had_been_sent() -> None:
    """Each time it is named; as many bytes as a request may have, and one more is too many."""
    asked, items = Asked(previous_response_id="resp_1", input=[reference(), reference()]), {"msg_1": ITEM}
    memory = recall(asked, RESPONSE, items, most=3 * len(ITEM))
    assert (memory.items, memory.size, memory.json()) == (items, 3 * len(ITEM), ITEM + b"," + ITEM)
    for most, param in ((3 * len(ITEM) - 1, "input"), (len(ITEM) - 1, "previous_response_id")):
        with pytest.raises(InvalidRequest) as caught:
            recall(asked, RESPONSE, items, most=most)
        assert caught.value.param == param


def test_too_many_items_are_refused() -> None:
    """In what a request follows; of its own items its description has the same bound."""
    long = StoredResponse((("a", b"{}"),) * (MAX_MESSAGES + 1), Encoded(b"[", (), b"]"), None)
    with pytest.raises(InvalidRequest) as caught:
        recall(Asked(input="", previous_response_id="resp_1"), long, {}, most=10**9)
    assert caught.value.param == "previous_response_id"
    with pytest.raises(ValidationError):
        Asked(input=[reference()] * (MAX_MESSAGES + 1))


def test_a_reference_to_nothing_is_the_clients_fault() -> None:
    """It is told which one, and what to send."""
    with pytest.raises(ItemNotFound) as caught:
        list(resolved([{"role": "user"}, reference("x")], Memory()))
    assert caught.value.param == "input[1].id"
    with pytest.raises(PreviousResponseNotFound):
        recall(Asked(input="", previous_response_id="other"), None, {}, most=1)
