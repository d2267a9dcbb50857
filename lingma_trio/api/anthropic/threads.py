"""Conversations that are kept: what is kept of each request, and how a later one goes on with it.

Knows the form in which they are kept; must not know where, how long, or for whom. A conversation is kept as its
requests and answers one by one, each with the one before it, so that it can go on from any answer more than once.
"""

from __future__ import annotations

from typing import Annotated, Final

from lingma_trio.api.anthropic.asked import MessagesRequest, Tools, Turn
from lingma_trio.api.anthropic.asked_blocks import Blocks
from lingma_trio.api.asked.fields import MAX_MESSAGES
from lingma_trio.api.asked.shapes import EMULATED, READ, Asked
from lingma_trio.api.fields import check_length
from lingma_trio.api.json_size import check_size
from lingma_trio.errors import InvalidRequest
from lingma_trio.policy.response_store import Encoded, Items, StoredResponse

_UNNAMED: Final = ""
_FIRST: Final = {"system", "tools"}
_ID: Final = "thread.previous_message_id"


class _Begun(Asked):
    """What a conversation has from its first request on."""

    system: Annotated[str | Blocks | None, READ] = None
    """What holds for all of it."""
    tools: Annotated[Tools | None, EMULATED] = None
    """Its tools."""


def continued_from(asked: MessagesRequest) -> str | None:
    """Return the id of the answer that a request goes on from, or None where its conversation begins with it.

    Raises `InvalidRequest` where the request does not fit what it does.
    """
    thread = asked.thread
    if thread is None or thread.type == "create":
        if thread is not None and thread.previous_message_id is not None:
            raise InvalidRequest(f"{_ID} belongs to a thread that goes on; leave it out of a create.", param=_ID)
        return None
    if not thread.previous_message_id:
        raise InvalidRequest(f"{_ID} is missing: give the id of the answer to go on from.", param=_ID)
    for field in ("system", "tools"):
        if getattr(asked, field) is not None:
            raise InvalidRequest(
                f"{field} is kept with the thread: leave it out of a request that continues one, or create another.",
                param=field,
            )
    return thread.previous_message_id


def size_of(before: StoredResponse, asked: MessagesRequest, *, most: int) -> int:
    """Return the bytes of what is kept up to an answer, of which `most` may be read: as if it had been sent.

    Raises `InvalidRequest` where it is more, or more than MAX_MESSAGES turns with those of the request.
    """
    check_length(before.length - 1 + len(asked.messages), MAX_MESSAGES, param="thread")
    check_reach(before.reach, most)
    return before.reach


def check_reach(size: int, most: int) -> None:
    """Raise `InvalidRequest` where what is kept up to an answer has more bytes than may be read."""
    if size > most:
        raise InvalidRequest(
            f"thread has more than {most} bytes; create another one with a summary of this one, or have the operator"
            " raise MAX_REQUEST_BYTES.",
            param="thread",
        )


def whole(asked: MessagesRequest, before: StoredResponse) -> MessagesRequest:
    """Return a request as it would be with all of the conversation that it continues.

    Raises `BodyTooLarge` where that would take too long to read.
    """
    begun, *said = [text for each in before.lineage() for _, text in each.items]
    check_size(b",".join((begun, *said)))
    kept = _Begun.model_validate_json(begun)
    turns = [*map(Turn.model_validate_json, said), *asked.messages]
    return asked.model_copy(update={"system": kept.system, "tools": kept.tools, "messages": turns})


def kept_of(asked: MessagesRequest) -> Items:
    """Return what is to be kept of a request; no item has a name, since nothing can refer to one."""
    turns = [turn.model_dump_json(exclude_unset=True, by_alias=True).encode() for turn in asked.messages]
    if asked.thread is not None and asked.thread.type == "create":
        turns.insert(0, asked.model_dump_json(include=_FIRST, exclude_unset=True, by_alias=True).encode())
    return tuple((_UNNAMED, turn) for turn in turns)


def answered(given: Items, turn: bytes, before: StoredResponse | None) -> StoredResponse:
    """Return a request and its answer, `turn`, as they are kept."""
    return StoredResponse(given, Encoded(b"", ((_UNNAMED, turn),), b""), before)
