"""Lines: cut whatever the pieces, read strictly, written whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.simulator.acp.wire import Call, Lines, Reply, Unreadable, notification, read, request, response


@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b" ", b"d\ne"])))
def test_lines_do_not_depend_on_their_pieces(pieces: list[bytes]) -> None:
    """The same as with everything at once; blank ones are passed over."""
    lines = Lines()
    found = [line for piece in pieces for line in lines.feed(piece)]
    assert found == [line for line in b"".join(pieces).split(b"\n")[:-1] if line.strip()]


def test_what_is_written_is_read() -> None:
    """One line each."""
    assert read(request(0, "a", {"b": "\n"})) == Call(0, "a", {"b": "\n"})
    assert read(notification("a", {})) == Call(None, "a", {})
    assert read(response("x", {"result": None})) == Reply("x", None)
    assert read(response(1, {"error": {"code": 1}})) == Reply(1, None, {"code": 1})
    assert request(0, "a", {"b": "\n"}).count(b"\n") == 1
    assert b'"id"' not in response(None, {"error": {}})


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"[]", -32600),
        (b'{"method":"a"}', -32600),
        (b'{"jsonrpc":"2.0","method":1}', -32600),
        (b'{"jsonrpc":"2.0","method":"a","id":1.5}', -32600),
        (b'{"jsonrpc":"2.0","method":"a","id":true}', -32600),
        (b'{"jsonrpc":"2.0","method":"a","params":[]}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":1,"error":{}}', -32600),
        (b'{"jsonrpc":"2.0","result":1}', -32600),
    ],
)
def test_what_is_no_message_is_refused(line: bytes, code: int) -> None:
    """With the code that the client gets."""
    with pytest.raises(Unreadable) as refused:
        read(line)
    assert refused.value.code == code
