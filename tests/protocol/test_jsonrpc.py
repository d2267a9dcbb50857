"""JSON-RPC: calls and answers find each other, the two id spaces stay apart, and garbage is only ever a fault."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from pydantic_core import to_json

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.framing import frame
from lingma_trio.protocol.jsonrpc import (
    Connection,
    ErrorResponse,
    Event,
    Notification,
    Response,
    ServerRequest,
)

json_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | json_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(json_text, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(json_text, json_values, max_size=3)


def receive_value(connection: Connection, value: object) -> list[Event]:
    """Feed one frame that holds `value` as JSON."""
    return connection.receive(frame(to_json(value)))


def test_the_golden_messages_are_written_byte_for_byte() -> None:
    """Each kind of message has exactly its members, in a fixed order and without blanks."""
    connection = Connection()
    assert connection.request("ping", {}) == (
        1,
        b'Content-Length: 52\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}',
    )
    assert connection.notify("chat/ask", {"questionText": "你"}) == (
        b'Content-Length: 69\r\n\r\n{"jsonrpc":"2.0","method":"chat/ask","params":{"questionText":"\xe4\xbd\xa0"}}'
    )
    assert connection.answer(11) == b'Content-Length: 39\r\n\r\n{"jsonrpc":"2.0","id":11,"result":null}'
    assert connection.refuse("a", -32601, "no such method") == (
        b'Content-Length: 77\r\n\r\n{"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"no such method"}}'
    )


def test_the_golden_messages_are_read() -> None:
    """Each kind of message, as captured from the wire, becomes its event."""
    connection = Connection()
    connection.request("auth/status", {})
    connection.request("nonsense", {})
    read = connection.receive(
        b'Content-Length: 46\r\n\r\n{"jsonrpc":"2.0","id":1,"result":{"status":2}}'
        b"Content-Length: 77\r\n\r\n"
        b'{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"method not found"}}'
        b'Content-Length: 72\r\n\r\n{"jsonrpc":"2.0","id":12,"method":"chat/answer","params":{"text":"\xe4\xbd\xa0"}}'
        b'Content-Length: 52\r\n\r\n{"jsonrpc":"2.0","method":"auth/report","params":{}}'
    )
    assert read == [
        Response(1, {"status": 2}),
        ErrorResponse(2, -32601, "method not found"),
        ServerRequest(12, "chat/answer", {"text": "你"}),
        Notification("auth/report", {}),
    ]


@pytest.mark.parametrize("peer_id", [0, -1, 3, "chat-qc", "3", ""])
def test_the_peers_ids_are_echoed_as_they_are(peer_id: int | str) -> None:
    """Number or string, an answer carries the very id of the request it answers."""
    here, there = Connection(), Connection()
    (request,) = receive_value(here, {"jsonrpc": "2.0", "id": peer_id, "method": "tool/invoke"})
    assert request == ServerRequest(peer_id, "tool/invoke", {})
    for _ in range(3):
        there.request("tool/invoke", {})
    if peer_id == 3:
        assert there.receive(here.answer(peer_id, {"ok": True})) == [Response(3, {"ok": True})]
    else:
        with pytest.raises(ProtocolFault, match="never made"):
            there.receive(here.answer(peer_id, {"ok": True}))


def test_a_request_of_the_peer_does_not_settle_our_call_of_the_same_id() -> None:
    """The peer's request 1 is one thing and its response 1 is another."""
    connection = Connection()
    connection.request("auth/status", {})
    assert receive_value(connection, {"id": 1, "method": "extension/register", "params": {}}) == [
        ServerRequest(1, "extension/register", {})
    ]
    assert receive_value(connection, {"id": 1, "result": "mine"}) == [Response(1, "mine")]


@pytest.mark.parametrize("params", [None, [], [1, 2], "text", 7, True])
def test_params_that_are_no_object_are_read_as_empty(params: object) -> None:
    """Readers of pushes may rely on a dict."""
    assert receive_value(Connection(), {"method": "m", "params": params}) == [Notification("m", {})]
    assert receive_value(Connection(), {"method": "m"}) == [Notification("m", {})]


@pytest.mark.parametrize(
    ("members", "result"),
    [({}, None), ({"result": None}, None), ({"result": {}, "error": None}, {}), ({"result": False}, False)],
)
def test_an_answer_without_a_result_or_with_a_null_error_is_a_response(members: dict[str, Any], result: object) -> None:
    """Peers that leave out null members, or write both, are understood."""
    connection = Connection()
    connection.request("chat/stop", {})
    assert receive_value(connection, {"jsonrpc": "2.0", "id": 1, **members}) == [Response(1, result)]


def test_an_error_that_belongs_to_no_call_is_surfaced_without_an_id() -> None:
    """A parse error of the peer is an event, so that it can be logged."""
    connection = Connection()
    connection.request("ping", {})
    assert receive_value(connection, {"id": None, "error": {"code": -32700, "message": "parse"}}) == [
        ErrorResponse(None, -32700, "parse")
    ]
    assert receive_value(connection, {"id": 1, "result": {}}) == [Response(1, {})]


@pytest.mark.parametrize("late", [{"result": {}}, {"error": {"code": 1, "message": "gone"}}])
def test_a_late_response_to_an_abandoned_call_is_dropped(late: dict[str, Any]) -> None:
    """Nobody hears of a call that was given up, and its neighbours are untouched."""
    connection = Connection()
    first, _ = connection.request("a", {})
    second, _ = connection.request("b", {})
    connection.abandon(first)
    assert receive_value(connection, {"id": first, **late}) == []
    assert receive_value(connection, {"id": second, "result": 2}) == [Response(second, 2)]


def test_a_second_response_is_dropped() -> None:
    """A call is settled once."""
    connection = Connection()
    connection.request("a", {})
    assert receive_value(connection, {"id": 1, "result": 1}) == [Response(1, 1)]
    assert receive_value(connection, {"id": 1, "result": 2}) == []


def test_many_abandoned_calls_leave_nothing_behind() -> None:
    """Giving up calls costs no memory, and even the oldest of them is still recognised as late."""
    connection = Connection()
    for _ in range(5_000):
        connection.abandon(connection.request("chat/ask", {})[0])
    assert repr(connection) == "<Connection ok issued=5000 waiting=0>"
    assert receive_value(connection, {"id": 1, "result": {}}) == []


def test_abandoning_what_was_answered_or_never_asked_does_nothing() -> None:
    """The one who waited need not know whether the answer came in the same moment."""
    connection = Connection()
    connection.abandon(1)
    connection.request("a", {})
    assert receive_value(connection, {"id": 1, "result": 1}) == [Response(1, 1)]
    connection.abandon(1)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "no JSON"),
        (b"nonsense", "no JSON"),
        (b'{"a":1} x', "no JSON"),
        (b'{"id":NaN}', "no JSON"),
        (b'"\xff"', "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"a":' * 100_000, "no JSON"),
        (b"null", "no object"),
        (b'[{"method":"m"}]', "no object"),
        (b"3", "no object"),
        (b'{"method":3}', "method that is no string"),
        (b'{"method":{},"id":1}', "method that is no string"),
        (b'{"method":"m","id":1.5}', "neither number nor string"),
        (b'{"method":"m","id":true}', "neither number nor string"),
        (b'{"method":"m","id":[]}', "neither number nor string"),
        (b"{}", "never made"),
        (b'{"result":{}}', "never made"),
        (b'{"id":null,"result":{}}', "never made"),
        (b'{"id":0,"result":{}}', "never made"),
        (b'{"id":-1,"result":{}}', "never made"),
        (b'{"id":2,"result":{}}', "never made"),
        (b'{"id":"1","result":{}}', "never made"),
        (b'{"id":1.0,"result":{}}', "never made"),
        (b'{"id":true,"result":{}}', "never made"),
        (b'{"id":[1],"result":{}}', "never made"),
        (b'{"id":1,"error":"bad"}', "error that is no object"),
        (b'{"id":1,"error":{}}', "numeric code"),
        (b'{"id":1,"error":{"code":"1","message":"m"}}', "numeric code"),
        (b'{"id":1,"error":{"code":true,"message":"m"}}', "numeric code"),
        (b'{"id":1,"error":{"code":1,"message":null}}', "numeric code"),
        (b'{"error":[]}', "error that is no object"),
    ],
)
def test_what_is_no_message_is_a_fault_that_stays(message: bytes, words: str) -> None:
    """Broken JSON, wrong types and answers to nothing end the connection for good."""
    connection = Connection()
    connection.request("a", {})
    with pytest.raises(ProtocolFault, match=words):
        connection.receive(frame(message))
    with pytest.raises(ProtocolFault, match=words):
        receive_value(connection, {"method": "fine"})
    with pytest.raises(ProtocolFault, match=words):
        connection.close()
    assert words in repr(connection)


def test_a_fault_does_not_quote_what_was_sent() -> None:
    """Bodies hold prompts, and a fault's message goes into logs."""
    with pytest.raises(ProtocolFault) as caught:
        Connection().receive(frame(b'{"questionText": "SECRET" SECRET}'))
    assert "SECRET" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_params_that_are_no_json_are_refused_and_use_up_no_id() -> None:
    """A mistake of ours is a ValueError, and the connection goes on as if it had not been made."""
    connection = Connection()
    with pytest.raises(ValueError, match="serializ"):
        connection.request("a", {"x": object()})
    assert connection.request("a", {})[0] == 1


def test_the_end_of_the_stream_is_a_fault_only_in_mid_frame() -> None:
    """A peer may go away between messages."""
    Connection().close()
    connection = Connection()
    connection.receive(b"Content-Length: 10\r\n")
    with pytest.raises(ProtocolFault, match="middle of a frame"):
        connection.close()


messages = st.one_of(
    st.tuples(st.just("notify"), json_text, json_objects),
    st.tuples(st.just("request"), json_text, json_objects),
)


@given(sent=st.lists(messages, max_size=5), cuts=st.lists(st.integers(0, 500), max_size=8))
def test_two_connections_understand_each_other_under_any_chunking(
    sent: list[tuple[str, str, dict[str, Any]]], cuts: list[int]
) -> None:
    """What one end sends is what the other end reads, and each call's answer comes back to it."""
    here, there = Connection(), Connection()
    wire, expected, calls = b"", list[Event](), dict[int, object]()
    for kind, method, params in sent:
        if kind == "notify":
            wire += here.notify(method, params)
            expected.append(Notification(method, params))
        else:
            number, message = here.request(method, params)
            wire += message
            calls[number] = params
            expected.append(ServerRequest(number, method, params))
    places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    read = [event for start, end in itertools.pairwise(places) for event in there.receive(wire[start:end])]
    assert read == expected
    answers = b"".join(there.answer(event.id, event.params) for event in read if isinstance(event, ServerRequest))
    assert here.receive(answers) == [Response(number, params) for number, params in calls.items()]


members = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": json_values,
        "id": st.integers(-1, 3) | json_values,
        "method": json_text | json_values,
        "params": json_values,
        "result": json_values,
        "error": json_values | st.fixed_dictionaries({}, optional={"code": json_values, "message": json_values}),
    },
)


@given(body=st.binary(max_size=60) | json_values.map(to_json) | members.map(to_json))
def test_garbage_raises_nothing_but_a_protocol_fault(body: bytes) -> None:
    """Whatever a frame holds, it is an event, nothing, or a fault."""
    connection = Connection()
    connection.request("a", {})
    try:
        events = connection.receive(frame(body))
    except ProtocolFault:
        events = []
    assert len(events) <= 1


@given(data=st.binary(max_size=200))
def test_raw_garbage_raises_nothing_but_a_protocol_fault(data: bytes) -> None:
    """The same holds for bytes that are not even framed."""
    connection = Connection()
    with contextlib.suppress(ProtocolFault):
        assert connection.receive(data) == []
        connection.close()


class Ids(RuleBasedStateMachine):
    """Calls made, answered in any order, answered twice and given up, next to the peer's calls with the same ids."""

    calls: Bundle[int] = Bundle("calls")
    settled: Bundle[int] = Bundle("settled")

    def __init__(self) -> None:
        super().__init__()
        self.connection = Connection()
        self.issued = 0
        self.waiting: set[int] = set()

    @rule(target=calls)
    def call(self) -> int:
        """Ids count up from one."""
        number, _ = self.connection.request("m", {})
        self.issued += 1
        assert number == self.issued
        self.waiting.add(number)
        return number

    @rule(target=settled, number=consumes(calls), failed=st.booleans())
    def respond(self, number: int, failed: bool) -> int:
        """A waiting call gets exactly its answer."""
        if failed:
            read = receive_value(self.connection, {"id": number, "error": {"code": number, "message": "no"}})
            assert read == [ErrorResponse(number, number, "no")]
        else:
            assert receive_value(self.connection, {"id": number, "result": number}) == [Response(number, number)]
        self.waiting.remove(number)
        return number

    @rule(target=settled, number=consumes(calls))
    def abandon(self, number: int) -> int:
        """Giving up is silent."""
        self.connection.abandon(number)
        self.waiting.remove(number)
        return number

    @rule(number=settled)
    def respond_again(self, number: int) -> None:
        """A late or second answer is dropped."""
        assert receive_value(self.connection, {"id": number, "result": "late"}) == []

    @rule(number=st.integers(0, 20))
    def peer_calls(self, number: int) -> None:
        """A request of the peer settles nothing of ours, whatever its id."""
        assert receive_value(self.connection, {"id": number, "method": "m"}) == [ServerRequest(number, "m", {})]

    @invariant()
    def counts_agree(self) -> None:
        """Exactly the calls neither answered nor given up are waited for."""
        assert repr(self.connection) == f"<Connection ok issued={self.issued} waiting={len(self.waiting)}>"


TestIds = Ids.TestCase
