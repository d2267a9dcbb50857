"""Dialect: whatever the knobs make of frames, they stay the same messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from lingma_trio.protocol.framing import Framer, frame
from lingma_trio.protocol.jsonrpc import Connection, Notification
from lingma_trio.simulator.chat_script import answer_params
from lingma_trio.simulator.dialect import DeltaEncoder, Dialect
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.script import Ask

ASK = Ask("request", "session", "hi", session_type="assistant", timestamp=1_760_000_000_000)


def as_bytes(payload: str | bytes) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload


@given(
    bodies=st.lists(st.text().map(str.encode), max_size=8),
    coalesce=st.integers(0, 4),
    split=st.integers(0, 9),
    flags=st.tuples(*[st.sampled_from("01")] * 3),
)
def test_joined_payloads_are_the_frames(bodies: list[bytes], coalesce: int, split: int, flags: tuple[str, ...]) -> None:
    """Joining, cutting and restyling in any combination loses nothing."""
    binary, lower, typed = flags
    knobs = Knobs().turned(
        [
            f"coalesce={coalesce}",
            f"split={split}",
            f"binary={binary}",
            f"lower_case_header={lower}",
            f"content_type={typed}",
        ]
    )
    payloads = list(Dialect(knobs).messages(map(frame, bodies)))
    assert Framer().feed(b"".join(map(as_bytes, payloads))) == bodies
    assert {isinstance(payload, bytes) for payload in payloads} <= {binary == "1"}
    if split:
        assert max(map(len, payloads), default=0) <= split


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], [b"Content-Length: 2\r\n\r\n{}"] * 3),
        (["lower_case_header=1"], [b"content-length: 2\r\n\r\n{}"] * 3),
        (
            ["content_type=1"],
            [b"Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n{}"] * 3,
        ),
        (["coalesce=2"], [b"Content-Length: 2\r\n\r\n{}" * 2, b"Content-Length: 2\r\n\r\n{}"]),
        (["split=12"], [b"Content-Leng", b"th: 2\r\n\r\n{}"] * 3),
    ],
)
def test_the_bytes_of_each_style(words: list[str], expected: list[bytes]) -> None:
    """Golden bytes: the knobs do what they are called."""
    payloads = Dialect(Knobs().turned(words)).messages([frame(b"{}")] * 3)
    assert list(map(as_bytes, payloads)) == expected


@given(st.text())
def test_the_fast_path_says_the_same_as_the_plain_one(text: str) -> None:
    """A delta encoded from parts is the notification that its params would make."""
    (event,) = Connection().receive(DeltaEncoder(ASK).frame(text))
    assert event == Notification("chat/answer", answer_params(ASK, text))


def test_a_delta_is_one_frame_with_its_length_in_bytes() -> None:
    """Golden: characters beyond ASCII count as the bytes they take."""
    header, body = DeltaEncoder(ASK).frame("你").split(b"\r\n\r\n")
    assert header == b"Content-Length: %d" % len(body)
    assert from_json(body)["params"]["text"] == "你"
