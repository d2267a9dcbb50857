"""What whoever keeps responses promises: the same in memory, in a server, and in the model of one."""

from __future__ import annotations

import pytest

from lingma_trio.errors import InvalidRequest
from lingma_trio.policy.response_store import Encoded, StoredResponse
from lingma_trio.state.link import StoreLink
from lingma_trio.state.responses import Responses
from lingma_trio.state.responses_memory import MemoryResponses
from lingma_trio.state.responses_store import StoreResponses


@pytest.fixture(params=["memory", "store", "model"])
def kept(request: pytest.FixtureRequest, store_link: StoreLink, model_link: StoreLink) -> Responses:
    """Room for ten responses and a hundred thousand bytes, for an hour."""
    if request.param == "memory":
        return MemoryResponses(max_entries=10, max_bytes=100_000, ttl=3600)
    link = store_link if request.param == "store" else model_link
    return StoreResponses(link, max_entries=10, max_bytes=100_000, ttl=3600, seconds=20)


def response(text: bytes, *, before: StoredResponse | None = None) -> StoredResponse:
    """Return a response with one item given, `in_TEXT`, and one told, `out_TEXT`."""
    name = text.decode()
    told = Encoded(b'{"output":[', ((f"out_{name}", b'"out ' + text + b'"'),), b"]}")
    return StoredResponse(((f"in_{name}", b'"in ' + text + b'"'),), told, before)


def texts(found: StoredResponse | None) -> list[str]:
    """What the response holds with all that it follows, oldest first."""
    return [] if found is None else [text.decode() for each in found.lineage() for _, text in each.items]


async def test_a_response_is_found_with_all_that_it_follows(kept: Responses) -> None:
    """By its tenant alone, in every detail."""
    await kept.put("a", "r1", response(b"1"))
    first = await kept.find("a", "r1")
    await kept.put("a", "r2", response(b"2", before=first))
    found = await kept.find("a", "r2")
    assert texts(found) == ['"in 1"', '"out 1"', '"in 2"', '"out 2"']
    assert found is not None
    assert (found.told.json, found.given) == (b'{"output":["out 2"]}', (("in_2", b'"in 2"'),))
    assert await kept.find("b", "r2") is None
    assert not await kept.remove("b", "r2")


async def test_a_response_that_others_follow_stays_while_one_does(kept: Responses) -> None:
    """Its own id and nobody else's is unknown once it is removed; with the last that follows it, its items go."""
    await kept.put("a", "r1", response(b"1"))
    first = await kept.find("a", "r1")
    await kept.put("a", "r2", response(b"2", before=first))
    await kept.put("a", "r3", response(b"3", before=first))
    assert await kept.remove("a", "r1")
    assert not await kept.remove("a", "r1")
    assert await kept.find("a", "r1") is None
    assert await kept.remove("a", "r2")
    assert texts(await kept.find("a", "r3")) == ['"in 1"', '"out 1"', '"in 3"', '"out 3"']
    assert await kept.items("a", ["out_1", "out_2"], 1000) == {"out_1": b'"out 1"'}
    assert await kept.remove("a", "r3")
    assert await kept.items("a", ["out_1", "in_3"], 1000) == {}


async def test_items_are_found_by_their_ids(kept: Responses) -> None:
    """Of several of one id the youngest, by their tenant alone; those that are not kept are missing."""
    await kept.put("a", "r1", response(b"1"))
    again = StoredResponse((("in_1", b'"again"'),), Encoded(b"[", (), b"]"), None)
    await kept.put("a", "r2", again)
    assert await kept.items("a", ["in_1", "out_1", "none"], 1000) == {"in_1": b'"again"', "out_1": b'"out 1"'}
    assert await kept.items("b", ["in_1"], 1000) == {}


async def test_what_is_too_large_to_be_brought_is_refused_by_its_size(kept: Responses) -> None:
    """With all that it follows; what is here already is not asked about."""
    await kept.put("a", "r1", response(b"1"))
    first = await kept.find("a", "r1")
    await kept.put("a", "r2", response(b"2", before=first))
    sizes: list[int] = []

    def refuse(size: int) -> None:
        sizes.append(size)
        raise InvalidRequest("too large", param="input")

    if isinstance(kept, MemoryResponses):
        assert await kept.find("a", "r2", refuse) is not None
        assert not sizes
        return
    with pytest.raises(InvalidRequest):
        await kept.find("a", "r2", refuse)
    assert sizes == [len('"in 1""out 1""in 2""out 2"')]


async def test_the_oldest_makes_room(kept: Responses) -> None:
    """For number and for bytes; what is larger than all the room is not kept, and puts nobody out."""
    for number in range(11):
        await kept.put("a", f"r{number}", response(b"%d" % number))
    assert await kept.find("a", "r0") is None
    assert await kept.find("a", "r1") is not None
    await kept.put("a", "huge", response(b"9" * 100_000))
    assert await kept.find("a", "huge") is None
    assert await kept.find("a", "r1") is not None
    await kept.put("a", "large", response(b"9" * 20_000))
    assert await kept.find("a", "large") is not None
    assert await kept.find("a", "r2") is None
    assert await kept.find("a", "r10") is not None
