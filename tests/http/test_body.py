"""A request's body arrives within its bounds, or is told apart by why it did not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from lingma_trio.errors import BodyTimeout, BodyTooLarge, ClientGone
from lingma_trio.http.body import DISCARD_BYTES, DISCARD_SECONDS, RequestBody

DISCONNECT = {"type": "http.disconnect"}


class Upload:
    """What a client sends: pieces of a body, ends, and then nothing more."""

    def __init__(self, messages: Iterable[dict[str, Any]]) -> None:
        self._messages = iter(messages)
        self.taken = 0

    async def __call__(self) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        message = next(self._messages, None)
        if message is None:
            await trio.sleep_forever()
        assert message is not None
        self.taken += 1
        return message


def piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def body_of(upload: Upload, **headers: str) -> RequestBody:
    return RequestBody({name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}, upload)


async def test_pieces_make_a_body() -> None:
    """However it is cut, the body is what was sent; an empty piece changes nothing."""
    upload = Upload([piece(b"one "), piece(b""), piece(b"two"), piece(b"", more=False)])
    body = body_of(upload, transfer_encoding="chunked")
    assert await body.read(limit=7, seconds=1) == b"one two"
    assert body.complete


async def test_single_piece_is_the_body() -> None:
    """A body in one piece is that piece."""
    assert await body_of(Upload([piece(b"{}", more=False)]), content_length="2").read(limit=2, seconds=1) == b"{}"


async def test_what_has_arrived_is_read_without_a_wait() -> None:
    """Where the server says that all is there no time is given to it, and no turn of the scheduler."""
    pieces = iter([piece(b"one "), piece(b"two", more=False)])

    async def receive() -> dict[str, Any]:
        return next(pieces)

    body = RequestBody({b"content-length": b"7"}, receive, arrived=lambda: True)
    with trio.testing.assert_no_checkpoints():
        assert await body.read(limit=7, seconds=0) == b"one two"


async def test_request_without_a_body() -> None:
    """A request that announces no body is complete as it is; nothing is waited for."""
    upload = Upload([])
    body = body_of(upload)
    assert body.complete
    assert await body.read(limit=1, seconds=1) == b""
    assert upload.taken == 0


async def test_declared_too_large_is_refused_unread() -> None:
    """A length over the limit is refused before a byte is read; the message names the setting."""
    upload = Upload([piece(b"x" * 11, more=False)])
    with pytest.raises(BodyTooLarge, match=r"10 bytes.*MAX_REQUEST_BYTES"):
        await body_of(upload, content_length="11").read(limit=10, seconds=1, setting="MAX_REQUEST_BYTES")
    assert upload.taken == 0


async def test_undeclared_too_large_is_refused_on_the_way() -> None:
    """A body that outgrows the limit is refused at the piece with which it does."""
    upload = Upload(piece(b"xxxx") for _ in range(1000))
    with pytest.raises(BodyTooLarge):
        await body_of(upload, transfer_encoding="chunked").read(limit=10, seconds=1)
    assert upload.taken == 3


async def test_body_of_exactly_the_limit() -> None:
    """The limit itself is allowed, declared and not."""
    for headers in ({"content_length": "10"}, {"transfer_encoding": "chunked"}):
        upload = Upload([piece(b"x" * 10, more=False)])
        assert len(await body_of(upload, **headers).read(limit=10, seconds=1)) == 10


async def test_body_that_does_not_come(autojump_clock: MockClock) -> None:
    """A body that stays away, or comes in drops for ever, times out after the seconds it was given."""
    for upload in (Upload([]), Upload([piece(b"x")])):
        began = trio.current_time()
        with pytest.raises(BodyTimeout, match="30 s"):
            await body_of(upload, content_length="5").read(limit=10, seconds=30)
        assert trio.current_time() - began == pytest.approx(30)


async def test_client_that_leaves() -> None:
    """A client that goes before its body is complete is told apart from one that is slow."""
    with pytest.raises(ClientGone):
        await body_of(Upload([piece(b"x"), DISCONNECT]), content_length="5").read(limit=10, seconds=30)


@pytest.mark.parametrize("length", ["-1", "many", "", "1e3", "0x10"])
async def test_length_that_is_no_number(length: str) -> None:
    """A length that is none is as good as not declared: what comes is bounded all the same."""
    upload = Upload([piece(b"x" * 11, more=False)])
    body = RequestBody({b"content-length": length.encode(), b"transfer-encoding": b"chunked"}, upload)
    with pytest.raises(BodyTooLarge):
        await body.read(limit=10, seconds=1)


async def test_discard_reads_to_the_end() -> None:
    """What is refused is read and forgotten, so that the connection can go on."""
    upload = Upload([piece(b"x" * 100), piece(b"x" * 100), piece(b"", more=False)])
    body = body_of(upload, transfer_encoding="chunked")
    await body.discard()
    assert body.complete
    assert upload.taken == 3


async def test_discard_has_an_end_in_time(autojump_clock: MockClock) -> None:
    """A client that neither sends nor goes away is waited for no longer than DISCARD_SECONDS."""
    began = trio.current_time()
    body = body_of(Upload([piece(b"x")]), content_length="100")
    await body.discard()
    assert trio.current_time() - began == pytest.approx(DISCARD_SECONDS)
    assert not body.complete


async def test_discard_has_an_end_in_size() -> None:
    """A client that sends for ever is read up to DISCARD_BYTES."""
    megabyte = b"x" * 1024 * 1024
    upload = Upload(piece(megabyte) for _ in range(1000))
    await body_of(upload, transfer_encoding="chunked").discard()
    assert upload.taken == DISCARD_BYTES // len(megabyte)


async def test_discard_ends_when_the_client_leaves() -> None:
    """A departure ends the reading and is no fault."""
    body = body_of(Upload([piece(b"x"), DISCONNECT]), content_length="100")
    await body.discard()
    assert body.complete


async def test_pieces_are_counted_as_they_come() -> None:
    """Who counts is told of each piece before it is kept, and ends the reading by raising."""
    sizes: list[int] = []

    def take(size: int) -> None:
        sizes.append(size)
        if sum(sizes) > 5:
            raise ZeroDivisionError

    upload = Upload(piece(b"xxx") for _ in range(1000))
    with pytest.raises(ZeroDivisionError):
        await body_of(upload, transfer_encoding="chunked").read(limit=100, seconds=1, take=take)
    assert sizes == [3, 3]
