"""What a request refers to: earlier responses and their items, as they are kept.

Knows the form in which they are kept; must not know where, how long, or for whom. What a request refers to is found
first, which is quick, and is from then on the request's own: it can be read in any thread while the store goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic_core import from_json

from lingma_trio.api.asked.fields import MAX_MESSAGES
from lingma_trio.api.fields import check_length
from lingma_trio.api.json_text import encode
from lingma_trio.api.responses.asked import ResponseRequest
from lingma_trio.api.responses.items import REFERENCE, Item
from lingma_trio.errors import InvalidRequest, ItemNotFound, PreviousResponseNotFound
from lingma_trio.policy.response_store import Items, StoredResponse


class Shelf(Protocol):
    """Where one client's earlier responses are found."""

    def find(self, identity: str) -> StoredResponse | None:
        """Return the response of this id, or None."""
        ...

    def item(self, item_id: str) -> bytes | None:
        """Return one item of any kept response as JSON, or None."""
        ...


@dataclass(frozen=True, slots=True)
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


def recall(asked: ResponseRequest, shelf: Shelf, *, most: int) -> Memory:
    """Find what a request refers to, of which `most` bytes may be read: as if it had been sent.

    Raises `InvalidRequest` that names the field at fault where it is more, or more than MAX_MESSAGES items, and
    `PreviousResponseNotFound`. An item that is not kept is missing in what is returned.
    """
    before = _before(asked.previous_response_id, shelf)
    size = 0
    if before is not None:
        earlier = [each.items for each in before.lineage()]
        check_length(sum(map(len, earlier)), MAX_MESSAGES, param="previous_response_id")
        size = sum(len(text) for items in earlier for _, text in items)
        _check_size(size, most, param="previous_response_id")
    found: dict[str, bytes] = {}
    for name in _references(asked.input):
        item = found.get(name) or shelf.item(name)
        if item is not None:
            found[name] = item
            size += len(item)
            _check_size(size, most, param="input")
    return Memory(before, found, size)


def named_items(items: Sequence[Item], identity: str) -> Items:
    """Return the items of a request as they are kept, with ids where they have none, made of the response's."""
    named = (_named(item, f"{_prefix(item)}_{identity}_in{at}") for at, item in enumerate(items))
    return tuple((item["id"], encode(item)) for item in named)


def resolved(items: Iterable[Item], memory: Memory) -> Iterator[Item]:
    """Yield items, with what is kept in the place of each reference, read once; raises `ItemNotFound`."""
    read: dict[str, Item] = {}
    for at, item in enumerate(items):
        if item.get("type") != REFERENCE:
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


def _before(identity: str | None, shelf: Shelf) -> StoredResponse | None:
    if not identity:
        return None
    found = shelf.find(identity)
    if found is None:
        raise PreviousResponseNotFound(
            "previous_response_id names a response that is not kept for this key, or no longer; send the conversation's"
            " items as input",
            param="previous_response_id",
        )
    return found


def _references(value: str | list[dict[str, Any]] | None) -> Iterator[str]:
    """The ids of the items that an input names."""
    for item in value if isinstance(value, list) else ():
        if item.get("type") == REFERENCE and isinstance(item.get("id"), str):
            yield item["id"]


def _check_size(size: int, most: int, *, param: str) -> None:
    if size > most:
        raise InvalidRequest(
            f"{param} refers to more than {most} bytes; begin a new conversation with a summary of this one, or have"
            " the operator raise MAX_REQUEST_BYTES.",
            param=param,
        )


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
