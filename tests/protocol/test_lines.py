"""Lines: any chunking gives the same ones, whatever ends them, and one without an end is given up at the limit."""

from __future__ import annotations

import itertools
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.framing import MAX_BODY
from lingma_trio.protocol.lines import LineFramer, without_halves


def feed_in_chunks(framer: LineFramer, data: bytes, cuts: list[int]) -> list[bytes]:
    """Feed `data` cut at the given places, which may lie outside it or repeat."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [line for start, end in itertools.pairwise(places) for line in framer.feed(data[start:end])]


def test_a_message_is_written_as_one_line() -> None:
    """A line is the body and a line feed."""
    assert LineFramer().wrap(b'{"id":1}') == b'{"id":1}\n'


def test_all_lines_of_one_read_come_at_once() -> None:
    """Line ends of either kind end a line, and blank lines are nothing."""
    framer = LineFramer()
    assert framer.feed(b'{"a":1}\n{"b":2}\r\n\n \t\r\n  {"c":3} \n{"d"') == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
    assert framer.feed(b":4}\r") == []
    assert framer.feed(b"\n") == [b'{"d":4}']


lines = st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), max_size=6)


@given(lines=lines, ends=st.lists(st.sampled_from([b"\n", b"\r\n"]), min_size=6), cuts=st.lists(st.integers(0, 400)))
def test_any_chunking_gives_the_same_lines(lines: list[bytes], ends: list[bytes], cuts: list[int]) -> None:
    """Lines come out whole, in order and without blanks round them, wherever the stream is cut."""
    framer = LineFramer()
    wire = b"".join(line + end for line, end in zip(lines, ends, strict=False))
    assert feed_in_chunks(framer, wire, cuts) == [line.strip() for line in lines if line.strip()]
    framer.close()


@pytest.mark.parametrize("piece", [MAX_BODY, 1 << 20], ids=["whole", "pieces"])
def test_a_line_at_the_limit_is_read_and_one_byte_more_is_not(piece: int) -> None:
    """The limit is inclusive, and is not waited beyond."""
    framer = LineFramer()
    for _ in range(MAX_BODY // piece):
        assert framer.feed(b"x" * piece) == []
    assert framer.feed(b"\n") == [b"x" * MAX_BODY]
    for _ in range(MAX_BODY // piece):
        framer.feed(b"x" * piece)
    with pytest.raises(ProtocolFault, match="a line longer"):
        framer.feed(b"x")
    with pytest.raises(ProtocolFault, match="a line longer"):
        framer.feed(b"{}\n")
    with pytest.raises(ProtocolFault, match="a line longer"):
        framer.close()


def test_a_line_in_many_pieces_costs_its_length() -> None:
    """Each piece is looked at once, and costs the memory of its bytes."""
    framer = LineFramer()
    tracemalloc.start()
    try:
        for number in range(1 << 18):
            framer.feed(b"%016d" % number)
        assert tracemalloc.get_traced_memory()[0] < 6 << 20
        assert len(framer.feed(b"\n")[0]) == 4 << 20
    finally:
        tracemalloc.stop()


def test_an_end_in_the_middle_of_a_line_is_a_fault() -> None:
    """A stream may end only between lines."""
    LineFramer().close()
    framer = LineFramer()
    framer.feed(b'{}\n{"id":1')
    with pytest.raises(ProtocolFault, match="middle of a line, 7 bytes"):
        framer.close()
    with pytest.raises(ProtocolFault, match="middle of a line"):
        framer.feed(b"}\n")


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb'"a\ud83d"', "a\ufffd"),
        (rb'"\ude00b"', "\ufffdb"),
        (rb'"\ud83d\ud83d\ude00\uDE00"', "\ufffd\U0001f600\ufffd"),
        (rb'"\\ud83d"', "\\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (rb'"\ud83d\n\u00e4"', "\ufffd\n\u00e4"),
        (rb'"\u4f60"', "\u4f60"),
    ],
)
def test_half_a_character_is_replaced_and_a_whole_one_is_left(escaped: bytes, text: str) -> None:
    """Only what stands for no character is touched."""
    assert json.loads(without_halves(escaped)) == text


@given(st.text(st.characters(), max_size=30))
def test_what_is_written_with_halves_is_text_without_them(text: str) -> None:
    """Whatever a program escapes, the outcome can be encoded, and text of whole characters is the same."""
    read: str = json.loads(without_halves(json.dumps(text).encode()))
    whole = json.loads(json.dumps(text)).encode(errors="replace").decode()
    assert read.encode().decode().replace("\ufffd", "?") == whole.replace("\ufffd", "?")
