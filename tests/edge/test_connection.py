"""One connection: requests in order, departures heard at once, bounds kept, nothing left behind."""

from __future__ import annotations

import socket as sockets
import struct
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from lingma_trio.edge.bounds import Bounds
from lingma_trio.edge.client_stream import ClientStream
from lingma_trio.edge.connection import MOST_AHEAD, Connection
from lingma_trio.edge.cycle import Cycle
from lingma_trio.http.exchange import DEPARTURE
from tests.edge.served import GET, LARGE, PATIENCE, Served, served

SHORT = 0.3
OK = b"\r\n\r\nx"


def get(path: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, b"host: test", *lines, b"", b""])


async def test_requests_follow_each_other() -> None:
    """On one connection, whether the client waits for each response or not."""
    async with served() as being:
        await being.client.send_all(GET)
        assert (await being.hear(OK)).startswith(b"HTTP/1.1 200 ")
        await being.client.send_all(GET * 3)
        said = b""
        while said.count(OK) < 3:
            said += await being.client.receive_some()
    assert being.app.ended == ["served"] * 4


async def test_requests_share_a_task_and_no_context() -> None:
    """What one has noted in its context, such as an id for the log, no other one finds, however it follows."""
    async with served() as being:
        await being.client.send_all(GET)
        await being.hear(OK)
        await being.client.send_all(GET * 3)
        said = b""
        while said.count(OK) < 3:
            said += await being.client.receive_some()
    assert len(set(being.app.tasks)) == 1
    assert being.app.marks == [""] * 4


async def test_scope_is_what_asgi_says() -> None:
    """Path decoded, query not, names in lower case, addresses of both ends."""
    async with served() as being:
        await being.client.send_all(get(b"/a%20b?c=%20", b"X-A: 1"))
        await being.hear(OK)
        await being.client.send_all(get(b"http://elsewhere/d"))
        await being.hear(OK)
    first, second = being.app.scopes
    assert (first["path"], first["raw_path"], first["query_string"]) == ("/a b", b"/a%20b", b"c=%20")
    assert (first["method"], first["scheme"], first["http_version"]) == ("GET", "http", "1.1")
    assert first["headers"] == [(b"host", b"test"), (b"x-a", b"1")]
    assert first["server"] == ("127.0.0.1", 1)
    assert second["path"] == "/d"


async def test_body_comes_as_it_is_sent() -> None:
    """In pieces, and larger than what waits at once."""
    body = bytes(range(256)) * 8192
    async with served() as being:
        await being.client.send_all(get(b"/echo", b"content-length: %d" % len(body)))
        for start in range(0, len(body), 100_000):
            await being.client.send_all(body[start : start + 100_000])
        said = await being.hear(body[-256:])
        while len(said) < len(body):
            said += await being.client.receive_some()
        assert said.endswith(body)


async def test_connection_holds_nothing_of_what_was_read() -> None:
    """While it waits for more: nothing counts those bytes, and many connections can wait."""
    body = b"x" * 60_000

    async def exchange(being: Served) -> None:
        await being.client.send_all(get(b"/echo", b"content-length: %d" % len(body)) + body)
        left = len(await being.hear(OK)) - len(body)
        while left < 0:
            left += len(await being.client.receive_some())

    async with served() as being:
        await exchange(being)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            await exchange(being)
            await wait_all_tasks_blocked()
            assert tracemalloc.get_traced_memory()[0] - before < len(body) // 2
        finally:
            tracemalloc.stop()


async def test_client_that_waits_for_leave_gets_it() -> None:
    """Once the app wants the body, and not where it answers without."""
    async with served() as being:
        await being.client.send_all(get(b"/echo", b"content-length: 2", b"expect: 100-continue"))
        assert await being.hear(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await being.client.send_all(b"ab")
        assert (await being.hear(b"ab")).startswith(b"HTTP/1.1 200 ")
        await being.client.send_all(get(b"/", b"content-length: 2", b"expect: 100-continue"))
        assert b"100" not in (await being.hear()).partition(b"\r\n")[0]


@pytest.mark.parametrize("came", [b"", b"a"], ids=["nothing", "a part"])
async def test_response_before_the_whole_body_says_that_it_is_the_last(came: bytes) -> None:
    """A client that keeps connections would otherwise send its next request into one that is being closed."""
    async with served() as being:
        await being.client.send_all(get(b"/", b"content-length: 2") + came)
        assert b"\r\nconnection: close\r\n" in await being.hear()


async def test_response_behind_the_whole_body_is_not_the_last() -> None:
    """Whether the app has looked at the body or not."""
    async with served() as being:
        await being.client.send_all(get(b"/", b"content-length: 2") + b"ab")
        assert b"connection:" not in await being.hear(OK)


@pytest.mark.parametrize("behind", [b"", b"\r\n", GET, GET[:20]], ids=["nothing", "CRLF", "request", "half"])
@pytest.mark.parametrize("path", [b"/never", b"/stream"])
async def test_departure_cancels_at_once(path: bytes, behind: bytes) -> None:
    """Whatever the client sent behind its request, and whether anything was written."""
    async with served() as being:
        await being.client.send_all(get(path) + behind)
        await being.app.asked.wait()
        if path == b"/stream":
            await being.hear(b"begun")
        await being.client.aclose()
        await being.ended.wait()
    assert being.app.ended[0] == "cancelled"
    assert being.app.scopes[0]["extensions"]["lingma_trio.departure"].departed == "client disconnected"


async def test_half_closed_client_counts_as_gone() -> None:
    """Who says no more has left, as far as can be known."""
    async with served() as being:
        await being.client.send_all(get(b"/never"))
        await being.app.asked.wait()
        await being.client.send_eof()
        await being.ended.wait()
    assert being.app.ended == ["cancelled"]


async def test_client_that_hides_behind_its_bytes_is_cut_off() -> None:
    """More than a little behind a request that is being answered would hide the client's departure."""
    async with served() as being:
        await being.client.send_all(get(b"/never") + b"x" * (MOST_AHEAD + 200_000))
        await being.ended.wait()
    assert being.app.ended == ["cancelled"]


async def test_complete_response_is_no_early_departure() -> None:
    """A client that leaves with its whole response has not left too early."""
    async with served() as being:
        await being.client.send_all(GET)
        await being.hear(OK)
        await being.client.aclose()
        await being.ended.wait()
    assert being.app.ended == ["served"]
    assert not being.app.scopes[0]["extensions"]["lingma_trio.departure"].departed


@pytest.mark.parametrize("words", [b"", GET[:10], GET + GET[:10]], ids=["nothing", "half a head", "half a second one"])
async def test_client_that_says_too_little_is_hung_up_on(words: bytes) -> None:
    """An idle connection after its time, and a head that does not come within its own."""
    async with served(Bounds(idle_seconds=SHORT, head_seconds=SHORT)) as being:
        began = trio.current_time()
        if words:
            await being.client.send_all(words)
        await being.hear()
        await being.ended.wait()
        assert SHORT <= trio.current_time() - began < PATIENCE


async def test_head_in_drips_is_no_new_beginning() -> None:
    """The head's time runs from its first byte, however often another comes."""
    async with served(Bounds(head_seconds=SHORT)) as being:
        began = trio.current_time()
        await being.client.send_all(b"GET / HTTP/1.1\r\n")
        while not being.ended.is_set():
            try:
                await being.client.send_all(b"x: y\r\n")
            except trio.BrokenResourceError:
                break
            await trio.sleep(SHORT / 10)
        assert trio.current_time() - began < PATIENCE


async def test_idle_time_is_given_again() -> None:
    """Each request gives the connection its time anew."""
    async with served(Bounds(idle_seconds=SHORT)) as being:
        for _ in range(3):
            await trio.sleep(SHORT / 2)
            await being.client.send_all(GET)
            await being.hear(OK)


async def test_long_request_ends_no_idle_connection() -> None:
    """The time for which a connection may be idle ends during a request, and is given anew behind it."""
    async with served(Bounds(idle_seconds=SHORT, head_seconds=SHORT)) as being:
        body = b"x" * 3
        await being.client.send_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n")
        for piece in (b"x", b"x", b"x"):
            await trio.sleep(SHORT)
            await being.client.send_all(piece)
        assert (await being.hear(body)).endswith(body)
        answered = trio.current_time()
        assert await being.hear() == b""
        await being.ended.wait()
        assert SHORT / 2 < trio.current_time() - answered < PATIENCE


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x00", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 501),
    ],
)
async def test_what_is_no_request_gets_a_sentence(words: bytes, status: int) -> None:
    """And the connection ends; the app hears nothing of it."""
    async with served() as being:
        await being.client.send_all(words)
        said = await being.hear()
    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in said
    assert being.app.scopes == []


async def test_framing_that_breaks_ends_the_request() -> None:
    """A body that turns out to be none is told so while nothing has been answered."""
    async with served() as being:
        await being.client.send_all(get(b"/echo", b"transfer-encoding: chunked"))
        await being.app.asked.wait()
        await being.client.send_all(b"3\r\nabc\r\nwrong\r\n")
        said = await being.hear()
        await being.ended.wait()
    assert said.startswith(b"HTTP/1.1 400 ")
    assert being.app.ended == ["cancelled"]


async def test_request_without_an_answer_gets_a_500() -> None:
    """And its connection ends."""
    async with served() as being:
        await being.client.send_all(get(b"/unanswered"))
        assert (await being.hear()).startswith(b"HTTP/1.1 500 ")


async def test_app_that_fails_costs_its_connection() -> None:
    """Which is reset, and the log says why."""
    with structlog.testing.capture_logs() as logs:
        async with served() as being:
            await being.client.send_all(get(b"/fails"))
            assert await being.hear() == b""
            await being.ended.wait()
    assert [entry["event"] for entry in logs] == ["connection_failed"]


async def test_client_that_takes_nothing_is_reset() -> None:
    """A write that waits for a client for too long ends its request, and the log says so."""
    with structlog.testing.capture_logs() as logs:
        async with served(Bounds(stall_seconds=SHORT)) as being:
            await being.client.send_all(get(b"/large"))
            await being.ended.wait()
            assert len(await being.hear()) < LARGE
    assert [entry["event"] for entry in logs] == ["client_stalled"]
    assert being.app.ended == ["cancelled"]


@asynccontextmanager
async def streaming(bounds: Bounds | None = None) -> AsyncIterator[tuple[Served, Cycle]]:
    """A connection on which a response has begun, and its request."""
    async with served(bounds) as being:
        await being.client.send_all(get(b"/stream"))
        await being.hear(b"begun\r\n")
        cycle = being.app.scopes[0]["extensions"][DEPARTURE]
        assert isinstance(cycle, Cycle)
        yield being, cycle


async def test_what_is_offered_leaves_at_once() -> None:
    """Without waiting, in its order among what is sent, and framed as that."""
    async with streaming() as (being, cycle):
        assert cycle.offer(b"one")
        await cycle.send({"type": "http.response.body", "body": b"two", "more_body": True})
        assert cycle.offer(b"three")
        await cycle.send({"type": "http.response.body", "body": b"end", "more_body": False})
        assert await being.hear(b"0\r\n\r\n") == b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n3\r\nend\r\n0\r\n\r\n"
        being.connection.end("the app would sleep on")


async def test_what_the_client_does_not_take_waits_for_whoever_sends() -> None:
    """An offer holds nobody up, however large; its rest leaves with the next write, and nothing overtakes it."""
    async with streaming() as (being, cycle):
        large = bytes(LARGE)
        assert not cycle.offer(large)
        assert not cycle.offer(b"behind")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cycle.send, {"type": "http.response.body", "body": b"", "more_body": True})
            said = await being.hear(b"6\r\nbehind\r\n")
        assert said == b"%x\r\n%b\r\n6\r\nbehind\r\n" % (LARGE, large)
        assert cycle.offer(b"again")


async def test_offers_end_with_their_client() -> None:
    """One that has left, or has taken nothing for too long, is not offered anything for long."""
    async with streaming() as (being, cycle):
        being.client.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
        being.client.socket.close()
        while not cycle.departed:
            cycle.offer(b"x")
        await being.ended.wait()
        assert not cycle.offer(b"y")
    with structlog.testing.capture_logs() as logs:
        async with streaming(Bounds(stall_seconds=SHORT)) as (being, cycle):
            cycle.offer(bytes(LARGE))
            await trio.sleep(2 * SHORT)
            while not cycle.departed:
                await cycle.send({"type": "http.response.body", "body": b"", "more_body": True})
            await being.ended.wait()
    assert [entry["event"] for entry in logs] == ["client_stalled"]
    assert being.app.ended == ["cancelled"]


async def test_cancelled_write_resets_the_connection() -> None:
    """Half a message is never taken for a whole one."""
    async with served() as being:
        await being.client.send_all(get(b"/large"))
        assert await being.client.receive_some(1) == b"H"
        being.scope.cancel("the grace is over")
        await being.ended.wait()
        assert len(await being.hear()) < LARGE


async def test_retired_connection_serves_no_more() -> None:
    """An idle one ends at once, a busy one with its response, which says so."""
    async with served() as being:
        await being.client.send_all(GET)
        await being.hear(OK)
        await wait_all_tasks_blocked()
        being.connection.retire()
        assert await being.hear() == b""
        await being.ended.wait()
    async with served() as being:
        await being.client.send_all(get(b"/echo", b"content-length: 1"))
        await being.app.asked.wait()
        being.connection.retire()
        await being.client.send_all(b"x")
        assert b"connection: close" in await being.hear()


@pytest.mark.parametrize("word", [Connection.retire, partial(Connection.end, reason="over")], ids=["retired", "ended"])
async def test_connection_that_is_told_before_it_runs_ends_at_once(word: Callable[[Connection], None]) -> None:
    """The server may stop between letting a client in and the first step of its task, and waits for nobody idle."""
    async with served(before=word) as being:
        with trio.fail_after(PATIENCE):
            await being.ended.wait()
    assert not being.app.scopes


async def test_ended_request_is_told() -> None:
    """A request that is ended before it is answered gets a status, and its connection ends."""
    async with served() as being:
        await being.client.send_all(get(b"/never"))
        await being.app.asked.wait()
        being.connection.end("the grace is over")
        assert (await being.hear()).startswith(b"HTTP/1.1 500 ")
    assert being.app.ended == ["cancelled"]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_response_that_is_cut_short_does_not_look_whole(version: bytes) -> None:
    """Also where its end is the connection's: an old client, such as a proxy may be, gets a reset."""
    async with served() as being:
        await being.client.send_all(get(b"/stream").replace(b"1.1", version))
        said = await being.hear(b"begun")
        being.connection.end("the operator says so")
        try:
            said += await being.client.receive_some()
            reset = False
        except trio.BrokenResourceError:
            reset = True
        await being.ended.wait()
    assert reset is (version == b"1.0")
    assert not said.endswith(b"0\r\n\r\n")
    assert being.app.ended == ["cancelled"]


async def test_fault_ends_the_connection_and_nothing_else() -> None:
    """A fault of the edge's own is logged, and resets that connection."""
    with structlog.testing.capture_logs() as logs:
        async with served() as being:
            being.house.clock = None  # type: ignore[assignment]
            await being.client.send_all(b"no request at all\r\n\r\n")
            assert await being.hear() == b""
            await being.ended.wait()
    assert [entry["event"] for entry in logs] == ["connection_failed"]


async def test_client_that_holds_up_what_tls_answers_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS writes also where it is read, as for a change of keys; a client that takes none of it is no fault of ours."""
    too_much = trio.Event()

    async def receive_some(self: ClientStream, max_bytes: int | None = None) -> bytes:
        if too_much.is_set():
            raise trio.TooSlowError
        return await received(self, max_bytes)

    received = ClientStream.receive_some
    monkeypatch.setattr(ClientStream, "receive_some", receive_some)
    with structlog.testing.capture_logs() as logs:
        async with served() as being:
            await being.client.send_all(get(b"/never"))
            await being.app.asked.wait()
            too_much.set()
            await being.client.send_all(b"\r\n")
            await being.ended.wait()
    assert being.app.ended == ["cancelled"]
    departure = being.app.scopes[0]["extensions"]["lingma_trio.departure"].departed
    assert departure == "the client took too little of its answer"
    assert logs == []
