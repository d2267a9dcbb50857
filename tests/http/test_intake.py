"""A request is admitted, its bytes are taken in, and only then is it read."""

from __future__ import annotations

import threading

import pytest
import trio

from lingma_trio.errors import BodyTooLarge, BytesExceeded, RequestLimitExceeded, Unauthorized
from lingma_trio.http.exchange import Exchange
from lingma_trio.http.intake import admit, take_in
from lingma_trio.keys.key import ApiKey, digest_of
from lingma_trio.threads import LOOP_SIZE
from tests.http.world import World, open_world

KEY = ApiKey("ann", digest_of("sk-ann"), requests_per_minute=2)
ANN = {"authorization": "Bearer sk-ann"}


def exchange_of(world: World, body: bytes = b"", headers: dict[str, str] | None = None) -> Exchange:
    visitor = world.visitor("POST", "/v1/chat/completions", body, headers)
    return Exchange("chat", visitor.scope, visitor.receive, visitor.send)


async def test_admission_counts_the_request() -> None:
    """Whoever has a key is counted, and refused when the minute is used up; whoever has none costs nothing."""
    async with open_world(keys=(KEY,)) as world:
        with pytest.raises(Unauthorized):
            await admit(exchange_of(world), world.services)
        for _ in range(2):
            exchange = exchange_of(world, headers=ANN)
            assert await admit(exchange, world.services) is exchange.tenant
        with pytest.raises(RequestLimitExceeded):
            await admit(exchange_of(world, headers=ANN), world.services)


async def test_body_is_held_for_its_tenant() -> None:
    """What was read counts for whose request it is, until the exchange lets go of it."""
    async with open_world(keys=(KEY,)) as world:
        exchange = exchange_of(world, b"[1]", ANN)
        tenant = await admit(exchange, world.services)
        assert await take_in(exchange, world.services, tenant, bytes.upper) == b"[1]"
        assert world.services.byte_budget.held_by(tenant.id) == exchange.held.size == 3
        exchange.held.release()
        assert world.services.byte_budget.held == 0


async def test_what_is_refused_is_not_read() -> None:
    """Neither a body that is too large nor one that has no room reaches the reader."""

    def never(body: bytes) -> None:
        raise AssertionError(body)

    async with open_world(max_request=10, max_bytes=8) as world:
        for body, refusal in ((b"x" * 11, BodyTooLarge), (b"x" * 5, BytesExceeded)):
            exchange = exchange_of(world, body)
            with pytest.raises(refusal):
                await take_in(exchange, world.services, await admit(exchange, world.services), never)
            assert exchange.held.size == 0


@pytest.mark.parametrize(("size", "at_once"), [(LOOP_SIZE, True), (LOOP_SIZE + 1, False)])
async def test_large_bodies_are_read_in_a_thread(size: int, *, at_once: bool) -> None:
    """The loop reads what is small itself."""
    async with open_world(max_request=2 * LOOP_SIZE) as world:
        exchange = exchange_of(world, b"x" * size)
        tenant = await admit(exchange, world.services)
        thread = await take_in(exchange, world.services, tenant, lambda _: threading.get_ident())
    assert (thread == threading.get_ident()) is at_once


@pytest.mark.parametrize(
    ("body", "at_once"),
    [
        (b'{"file": {"file_data": "JVBERi0="}}', False),
        (b'{"type": "document", "source": {"media_type": "application/pdf"}}', False),
        (b'{"fil\\u0065_data": "data:,%25PDF-"}', False),
        (b'{"type":\n"\\u0064ocument"}', False),
        (b'{"text": "a \\"document\\" of \\u003c\\u00e9"}', True),
    ],
)
async def test_files_are_read_in_a_thread(body: bytes, *, at_once: bool) -> None:
    """However small a file is and however its field is written, the loop does not read it; a text about one it does."""
    async with open_world() as world:
        exchange = exchange_of(world, body)
        tenant = await admit(exchange, world.services)
        thread = await take_in(exchange, world.services, tenant, lambda _: threading.get_ident())
        assert (thread == threading.get_ident()) is at_once
        assert (await exchange.held.work(threading.get_ident) == threading.get_ident()) is at_once


async def test_cancelled_reading_waits_for_its_thread() -> None:
    """Bytes that a thread works on are not given back while it does."""
    begun, released, ended = trio.Event(), threading.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def work(body: bytes) -> None:
        token.run_sync_soon(begun.set)
        released.wait()
        ended.set()

    async with open_world(max_request=2 * LOOP_SIZE) as world:
        exchange = exchange_of(world, b"x" * (LOOP_SIZE + 1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_in, exchange, world.services, world.services.gatekeeper.tenants.anonymous, work)
            await begun.wait()
            nursery.cancel_scope.cancel("the client left")
            released.set()
    assert ended.is_set()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", " GZIP "])
async def test_compressed_body_is_refused_for_that(encoding: str) -> None:
    """One sentence says what is the matter, whatever the bytes look like; what is not compressed may say so."""
    async with open_world() as world:
        refused = await world.call("POST", "/v1/messages", b"{}", headers={"content-encoding": encoding})
        plain = await world.call("POST", "/v1/completions", b"{}", headers={"content-encoding": "identity"})
    assert refused.status == 400
    assert "compressed" in refused.json["error"]["message"]
    assert plain.json["error"]["param"] == "prompt"
