"""What a request refers to: earlier responses and their items, as they are kept.

Knows the form in which they are kept; must not know where, how long, or for whom. What a request refers to is found
first, and is from then on the request's own: it can be read in any thread while the store goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from pydantic_core import from_json

from lingma_trio.api.asked.fields import MAX_MESSAGES
from lingma_trio.api.fields import check_length
from lingma_trio.api.json_text import encode
from lingma_trio.api.responses.asked import ResponseRequest
from lingma_trio.api.responses.items import Item, is_reference
from lingma_trio.errors import InvalidRequest, ItemNotFound, PreviousResponseNotFound
from lingma_trio.policy.response_store import Items, StoredResponse
from lingma_trio.records import record


@record
class Memory:
    """What one request refers to.

    `before` is the response that it follows, or None; `items` are those it names, by their ids, as JSON. `size` is the
    bytes of it all, of an item as often as it is named.
    """

    before: StoredResponse | None = None
    items: Mapping[str, bytes] = field(default_factory=dict)
    size: int = 0

    def json(self) -> bytes:
        """Return all of it as one text, for its values to be counted."""
        return b",".join((*self._earlier(), *self.items.values()))

    def conversation(self) -> Iterator[Item]:
        """Yield every item up to the end of the response before, oldest first."""
        return map(_parsed, self._earlier())

    def _earlier(self) -> Iterator[bytes]:
        line = () if self.before is None else self.before.lineage()
        return (text for response in line for _, text in response.items)


def references(asked: ResponseRequest) -> list[str]:
    """Return the ids of the items that a request names, as often as it names them."""
    items = asked.input if isinstance(asked.input, list) else ()
    return [item["id"] for item in items if is_reference(item) and isinstance(item.get("id"), str)]


def recall(asked: ResponseRequest, before: StoredResponse | None, items: Mapping[str, bytes], *, most: int) -> Memory:
    """Return what a request refers to, of which `most` bytes may be read: as if it had been sent.

    `before` is what was found of the response that it follows, and `items` is what was found of its references; one
    that is not kept is missing. Raises `InvalidRequest` that names the field at fault where it is more, or more than
    MAX_MESSAGES items, and `PreviousResponseNotFound`.
    """
    size = 0
    if before is not None:
        check_length(before.length, MAX_MESSAGES, param="previous_response_id")
        size = before.reach
        check_reach(size, most, param="previous_response_id")
    elif asked.previous_response_id:
        raise PreviousResponseNotFound(
            "previous_response_id names a response that is not kept for this key, or no longer; send the conversation's"
            " items as input",
            param="previous_response_id",
        )
    for name in references(asked):
        size += len(items.get(name, b""))
        check_reach(size, most, param="input")
    return Memory(before, items, size)


def check_reach(size: int, most: int, *, param: str) -> None:
    """Raise `InvalidRequest` where what a field refers to has more bytes than may be read."""
    if size > most:
        raise InvalidRequest(
            f"{param} refers to more than {most} bytes; begin a new conversation with a summary of this one, or have"
            " the operator raise MAX_REQUEST_BYTES.",
            param=param,
        )


def named_items(items: Sequence[Item], identity: str) -> Items:
    """Return the items of a request as they are kept, with ids where they have none, made of the response's."""
    named = (_named(item, f"{_prefix(item)}_{identity}_in{at}") for at, item in enumerate(items))
    return tuple((item["id"], encode(item)) for item in named)


def resolved(items: Iterable[Item], memory: Memory) -> Iterator[Item]:
    """Yield items, with what is kept in the place of each reference, read once; raises `ItemNotFound`."""
    read: dict[str, Item] = {}
    for at, item in enumerate(items):
        if not is_reference(item):
            yield item
            continue
        named = item.get("id")
        if not isinstance(named, str) or named not in memory.items:
            raise ItemNotFound(
                "no item of that id is kept here, or no longer; send the item itself in place of the reference",
                param=f"input[{at}].id",
            )
        if named not in read:
            read[named] = _parsed(memory.items[named])
        yield read[named]


def _parsed(text: bytes) -> dict[str, Any]:
    item: dict[str, Any] = from_json(text)
    return item


def _named(item: Item, identity: str) -> dict[str, Any]:
    """Return an item as the API lists it: with an id and, where it is a message, a list of content parts."""
    listed = {"id": identity, **{name: value for name, value in item.items() if name != "id" or isinstance(value, str)}}
    if _prefix(item) == "msg":
        listed.setdefault("type", "message")
        content = item.get("content")
        if isinstance(content, str):
            kind = "output_text" if item.get("role") == "assistant" else "input_text"
            listed["content"] = [{"type": kind, "text": content}]
    return listed


def _prefix(item: Item) -> str:
    kind = item.get("type", "message")
    return "msg" if kind == "message" else "fc" if kind == "function_call" else "item"
