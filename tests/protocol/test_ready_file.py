"""The ready file: both forms are read, half a file is no fault, and junk is never taken for a port."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from lingma_trio.protocol.ready_file import CANDIDATES, ReadyFile, parse

READY = ReadyFile(port=36510, pid=14060)

ports = st.integers(1, 65_535)
pids = st.integers(1, 2**31 - 1)
blank_lines = st.lists(st.sampled_from(["", " ", "\t"]), max_size=2)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    "text",
    [
        "36510\n14060\n",
        "36510\n14060",
        "36510\r\n14060\r\n",
        "\n36510\n\n 14060 \n",
        "\ufeff36510\n14060\n",
        "36510\n14060\n/tmp/lingma.sock\n",
        '{"websocketPort":36510,"pid":14060,"ipcServerPath":"\\\\\\\\.\\\\pipe\\\\lingma-ab12cd","isDev":false}',
        '\n {"pid": "14060", "websocketPort": "36510"}\n',
    ],
)
def test_every_known_form_is_read(text: str) -> None:
    """Lines and JSON, with the line ends, blanks and extras that builds write."""
    assert parse(text) == READY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "36510",
        "36510\n",
        "36510\n\n",
        "{",
        '{"websocketPort":36510,"pid":140',
        '{"websocketPort":36510}',
        '{"pid":14060}',
    ],
)
def test_a_file_that_is_still_being_written_is_not_complete(text: str) -> None:
    """The reader comes again, so what is missing is no fault."""
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "port\n14060\n",
        "36510\n-1\n",
        "0\n14060\n",
        "65536\n14060\n",
        "36510\n0\n",
        "36510\n2147483648\n",
        "³\n14060\n",
        "36510\n" + "9" * 5_000,
        "[36510,14060]",
        '{"websocketPort":true,"pid":14060}',
        '{"websocketPort":36510.5,"pid":14060}',
        '{"websocketPort":null,"pid":[14060]}',
        '{"websocketPort":36510,"pid":14060} {}',
        "{" * 100_000,
        "{\ud800",
    ],
)
def test_what_is_no_port_and_pid_is_not_taken_for_them(text: str) -> None:
    """Out of range, of another type, or no numbers at all."""
    assert parse(text) is None


@given(ports, pids, st.sampled_from(["\n", "\r\n", "\r"]), blank_lines, st.text(max_size=20))
def test_lines_say_port_and_pid(port: int, pid: int, end: str, blanks: list[str], rest: str) -> None:
    """Blank lines anywhere, any line end, and anything for a third line do not matter."""
    text = end.join([*blanks, str(port), *blanks, str(pid), *blanks, rest])
    assert parse(text) == ReadyFile(port=port, pid=pid)


@given(ports, pids, st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_an_object_says_port_and_pid(port: int, pid: int, others: dict[str, object]) -> None:
    """Fields that are not known do not matter."""
    text = to_json({**others, "websocketPort": port, "pid": pid}).decode()
    assert parse(text) == ReadyFile(port=port, pid=pid)


@given(ports, pids, st.data())
def test_no_beginning_of_an_object_is_complete(port: int, pid: int, data: st.DataObject) -> None:
    """A JSON file that is cut anywhere says nothing, so no wrong port comes of it."""
    text = to_json({"pid": pid, "websocketPort": port}).decode()
    assert parse(text[: data.draw(st.integers(0, len(text) - 1))]) is None


@given(
    st.text() | st.from_regex(r"\A\s*\{.*", fullmatch=False) | json_values.map(lambda value: to_json(value).decode())
)
def test_anything_gives_a_ready_file_in_range_or_none(text: str) -> None:
    """No text raises."""
    ready = parse(text)
    assert ready is None or (0 < ready.port < 65_536 and 0 < ready.pid < 2**31)


def test_the_places_are_relative_and_each_named_once() -> None:
    """They are joined to a work directory, and must not lead out of it."""
    assert CANDIDATES[0] == ".info"
    assert len(set(CANDIDATES)) == len(CANDIDATES)
    assert not [place for place in CANDIDATES if place.startswith("/") or ".." in place.split("/")]
