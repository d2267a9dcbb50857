"""What a request may refer to: earlier responses and their items, as they are kept.

Knows the form in which they are kept; must not know where, how long, or for whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic_core import from_json

from lingma_trio.api.json_text import encode
from lingma_trio.api.responses.items import REFERENCE, Item
from lingma_trio.errors import ItemNotFound


class Memory(Protocol):
    """What one client's earlier requests left behind."""

    def conversation(self, response_id: str) -> Sequence[Item]:
        """Return every item up to the end of that response; raises `PreviousResponseNotFound`."""
        ...

    def item(self, item_id: str) -> Item | None:
        """Return one item of any kept response, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """One response as it is kept: the items it answered, beyond those of the one before it, and itself, as JSON.

    `item_ids` are those of its input and of its output, which later requests may refer to.
    """

    given: bytes
    body: bytes
    item_ids: tuple[str, ...]


def record(identity: str, items: Sequence[Item], body: bytes) -> Record:
    """Return what is kept of the response `body`; the items of its input are given ids where they have none."""
    named = [_named(item, f"{_prefix(item)}_{identity}_in{at}") for at, item in enumerate(items)]
    ids = [item["id"] for item in named] + [item["id"] for item in outputs(body)]
    return Record(encode(named), body, tuple(ids))


def inputs(given: bytes) -> list[dict[str, Any]]:
    """Return the items that `record` put into `given`."""
    items: list[dict[str, Any]] = from_json(given)
    return items


def outputs(body: bytes) -> list[dict[str, Any]]:
    """Return the items of a response's output."""
    items: list[dict[str, Any]] = from_json(body)["output"]
    return items


def resolved(items: Iterable[Item], memory: Memory) -> Iterator[Item]:
    """Yield items, with what is kept in the place of each reference; raises `ItemNotFound`."""
    for at, item in enumerate(items):
        if item.get("type") != REFERENCE:
            yield item
            continue
        named = item.get("id")
        found = memory.item(named) if isinstance(named, str) else None
        if found is None:
            raise ItemNotFound(
                "no item of that id is kept here, or no longer; send the item itself in place of the reference",
                param=f"input[{at}].id",
            )
        yield found


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
