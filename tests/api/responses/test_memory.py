"""What is kept of a response: its items under their ids."""

from __future__ import annotations

import json

import pytest

from lingma_trio.api.responses.items import Item, read_input
from lingma_trio.api.responses.memory import inputs, outputs, record, resolved
from lingma_trio.errors import ItemNotFound

BODY = json.dumps({"output": [{"type": "message", "id": "msg_7_0"}]}).encode()


class Nothing:
    """A memory of nothing."""

    def conversation(self, response_id: str) -> list[Item]:
        raise NotImplementedError

    def item(self, item_id: str) -> Item | None:
        return None


def test_each_item_has_an_id_and_a_message_its_parts() -> None:
    """The client's own ids stand; where it gave none, they follow from the response's."""
    items: list[Item] = [
        *read_input("Hello."),
        {"role": "user", "content": "You?"},
        {"role": "assistant", "content": "Me.", "id": "mine"},
        {"type": "function_call_output", "call_id": "c", "output": "x", "id": None},
    ]
    made = record("7", items, BODY)
    kept = inputs(made.given)
    assert [item["id"] for item in kept] == ["msg_7_in0", "msg_7_in1", "mine", "item_7_in3"]
    assert [item["type"] for item in kept] == ["message"] * 3 + ["function_call_output"]
    assert kept[1]["content"] == [{"type": "input_text", "text": "You?"}]
    assert kept[2]["content"] == [{"type": "output_text", "text": "Me."}]
    assert outputs(made.body) == [{"type": "message", "id": "msg_7_0"}]
    assert made.item_ids == ("msg_7_in0", "msg_7_in1", "mine", "item_7_in3", "msg_7_0")


def test_a_reference_to_nothing_is_the_clients_fault() -> None:
    """It is told which one, and what to send."""
    with pytest.raises(ItemNotFound) as caught:
        list(resolved([{"role": "user"}, {"type": "item_reference", "id": "x"}], Nothing()))
    assert caught.value.param == "input[1].id"
