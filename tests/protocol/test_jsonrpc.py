"""JSON-RPC: calls and answers find each other, the two id spaces stay apart, and garbage is only ever a fault."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from pydantic_core import from_json, to_json

from lingma_trio.errors import ProtocolFault
from lingma_trio.protocol.framing import frame
from lingma_trio.protocol.jsonrpc import (
    MAX_SHOWN,
    MOST_JUNK,
    Connection,
    ErrorResponse,
    Event,
    Junk,
    Notification,
    PeerId,
    Response,
    ServerRequest,
)
from lingma_trio.protocol.lines import LineFramer

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


@pytest.mark.parametrize("peer_id", [0, -1, 3, 1.5, True, "chat-qc", "3", ""])
def test_the_peers_ids_are_echoed_as_they_are(peer_id: PeerId) -> None:
    """Whatever it is, an answer carries the very id of the request it answers: what it pushes may not be lost."""
    here = Connection()
    (request,) = receive_value(here, {"jsonrpc": "2.0", "id": peer_id, "method": "tool/invoke"})
    assert request == ServerRequest(peer_id, "tool/invoke", {})
    assert here.answer(peer_id) == frame(to_json({"jsonrpc": "2.0", "id": peer_id, "result": None}))


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
    ],
)
def test_a_frame_that_holds_no_json_is_a_fault_that_stays(message: bytes, words: str) -> None:
    """Its length may be wrong, and it may be part of an answer: the connection is at an end for good."""
    connection = Connection()
    connection.request("a", {})
    with pytest.raises(ProtocolFault, match=words):
        connection.receive(frame(message))
    with pytest.raises(ProtocolFault, match=words):
        receive_value(connection, {"method": "fine"})
    with pytest.raises(ProtocolFault, match=words):
        connection.close()
    assert words in repr(connection)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"null", "no object"),
        (b'[{"method":"m"}]', "no object"),
        (b"3", "no object"),
        (b'{"method":3}', "method that is no string"),
        (b'{"method":{},"id":1}', "method that is no string"),
        (b'{"method":"m","id":[]}', "neither number nor string"),
        (b"{}", "never made"),
        (b'{"result":{}}', "never made"),
        (b'{"id":null,"result":{}}', "never made"),
        (b'{"id":0,"result":{}}', "never made"),
        (b'{"id":-1,"result":{}}', "never made"),
        (b'{"id":2,"result":{}}', "never made"),
        (b'{"id":1.5,"result":{}}', "never made"),
        (b'{"id":true,"result":{}}', "never made"),
        (b'{"id":[1],"result":{}}', "never made"),
    ],
)
def test_json_that_is_no_message_costs_no_other_message(message: bytes, words: str) -> None:
    """Batches, wrong types and answers to nothing are told of; what comes after them is heard all the same."""
    connection = Connection()
    connection.request("a", {})
    junk, answer = connection.receive(frame(message) + frame(b'{"id":1,"result":{}}'))
    assert isinstance(junk, Junk)
    assert words in junk.why
    assert answer == Response(1, {})


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


def over_lines(calls: int = 0) -> Connection:
    """A connection over lines that has made so many calls, and keeps "hush" to itself."""
    connection = Connection(LineFramer(), redact=lambda text: text.replace("hush", "***"))
    for _ in range(calls):
        connection.request("session/prompt", {})
    return connection


def test_the_golden_messages_are_written_as_lines() -> None:
    """The members are the same, and only what frames them is another."""
    connection = over_lines()
    assert connection.request("ping", {}) == (1, b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{}}\n')
    assert connection.notify("session/cancel", {"sessionId": "a\nb"}) == (
        b'{"jsonrpc":"2.0","method":"session/cancel","params":{"sessionId":"a\\nb"}}\n'
    )
    assert connection.answer(0, {"ok": True}) == b'{"jsonrpc":"2.0","id":0,"result":{"ok":true}}\n'


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"Loading hush ...", "Loading *** ..."),
        (b"\x1b[31mwarning\xff", "\x1b[31mwarning\ufffd"),
        (b"42", "42"),
        (b'[{"method":"m"}]', ""),
        (b'{"level":"info","msg":"hush"}', ""),
        (b'{"id":7,"result":"hush"}', ""),
        (b'{"id":"2","result":{}}', ""),
        (b'{"id":"01","result":{}}', ""),
        (b'{"method":"m","id":[]}', ""),
        (b'{"half":', ""),
        (b'said "hush"}}', ""),
        (b'hush","text', ""),
        (b'and so on","kind":"text"', ""),
        (b"x" * 5_000, "x" * MAX_SHOWN),
    ],
)
def test_a_line_that_is_no_message_is_told_of_and_passed_over(line: bytes, shown: str) -> None:
    """Banners, logs, batches and answers to nothing end nothing; what may hold a conversation is not shown."""
    connection = over_lines(calls=1)
    junk, answer = connection.receive(line + b'\n{"id":1,"result":{}}\n')
    assert isinstance(junk, Junk)
    assert junk.text == shown
    assert "hush" not in junk.why
    assert answer == Response(1, {})


def test_nothing_but_junk_is_a_fault() -> None:
    """So many lines in a row speak another protocol; each message between them starts the count afresh."""
    connection = over_lines()
    for _ in range(2):
        assert len(connection.receive(b"hello\n" * MOST_JUNK)) == MOST_JUNK
        assert connection.receive(b'{"method":"m"}\n') == [Notification("m", {})]
    connection.receive(b"hello\n" * MOST_JUNK)
    with pytest.raises(ProtocolFault, match="no JSON"):
        connection.receive(b"hello\n")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"code": -32603, "message": "Internal"}, (-32603, "Internal", "")),
        ({"code": 500, "message": "by hush", "data": "hush it is"}, (500, "by ***", "*** it is")),
        ({"code": 1, "message": "m", "data": {"details": "hush"}}, (1, "m", '{"details":"***"}')),
        ({"code": 1, "message": "m", "data": "x" * 5_000}, (1, "m", "x" * MAX_SHOWN)),
        ({"code": "odd", "message": None, "data": 3}, (0, "", "3")),
        ({}, (0, "", "")),
        ("it broke", (0, "", "it broke")),
    ],
)
def test_what_an_error_holds_is_kept_in_whatever_shape_it_comes(error: object, told: tuple[int, str, str]) -> None:
    """Programs have the reason in `data`; it is cut, and without secrets. Whoever waits is told in any case."""
    connection = over_lines(calls=1)
    assert receive_line(connection, {"id": 1, "error": error}) == [ErrorResponse(1, *told)]


def test_a_reply_without_an_id_is_an_error_of_nobodys() -> None:
    """A peer that could not parse a line may leave out the id altogether."""
    error = {"code": -32700, "message": "Parse error"}
    assert receive_line(over_lines(), {"jsonrpc": "2.0", "error": error}) == [
        ErrorResponse(None, -32700, "Parse error")
    ]


def test_the_method_is_looked_at_before_the_id() -> None:
    """A request of the peer's may carry the id of our own prompt, which is still waited for after it."""
    connection = over_lines(calls=1)
    asked = {"id": 1, "method": "session/request_permission", "params": {"sessionId": "s"}}
    assert receive_line(connection, asked) == [ServerRequest(1, "session/request_permission", {"sessionId": "s"})]
    assert receive_line(connection, {"id": 1, "result": {"stopReason": "end_turn"}}) == [
        Response(1, {"stopReason": "end_turn"})
    ]


def test_an_id_of_ours_that_came_back_as_a_text_is_understood() -> None:
    """Programs that keep ids as texts answer with one."""
    connection = over_lines(calls=2)
    assert receive_line(connection, {"id": "2", "result": 5}) == [Response(2, 5)]
    assert receive_line(connection, {"id": "2", "result": 5}) == []


def test_half_a_character_does_not_cost_the_message() -> None:
    """A title that was cut between two halves of an emoji must not leave a permission request unanswered."""
    line = rb'{"id":"p","method":"ask","params":{"title":"\ud83d"}}'
    assert over_lines().receive(line + b"\n") == [ServerRequest("p", "ask", {"title": "\ufffd"})]


def test_half_a_character_does_not_cost_the_answers_of_all() -> None:
    """It is JSON, in a frame as in a line: a delta that was cut within an emoji must not end the connection."""
    body = rb'{"method":"m","params":{"text":"a\ud83d \ud83d\ude00 \\ud83d"}}'
    assert Connection().receive(frame(body)) == [Notification("m", {"text": "a\ufffd \U0001f600 \\ud83d"})]


def test_a_number_is_the_same_with_a_point_in_it() -> None:
    """JSON knows no integers: 1.0 is our call 1, and the peer's own request 7.0 is answered as 7."""
    connection = Connection()
    connection.request("a", {})
    assert connection.receive(frame(b'{"id":1.0,"result":{}}')) == [Response(1, {})]
    assert connection.receive(frame(b'{"method":"m","id":7.0}')) == [ServerRequest(7, "m", {})]


def test_a_number_beyond_all_bounds_is_passed_on_as_none() -> None:
    """It can be read, as `1e999`, and not be written: who gets `Infinity` is right to break the connection off."""
    relay, gateway = Connection(), Connection()
    (came,) = relay.receive(frame(b'{"method":"m","params":{"size":1e999}}'))
    assert isinstance(came, Notification)
    assert gateway.receive(relay.notify(came.method, came.params)) == [Notification("m", {"size": None})]


def receive_line(connection: Connection, value: object) -> list[Event]:
    """Feed one line that holds `value` as JSON."""
    return connection.receive(to_json(value) + b"\n")


@given(lines=st.lists(st.binary(max_size=60) | json_values.map(to_json) | members.map(to_json), max_size=5))
def test_garbage_in_lines_raises_nothing_at_all(lines: list[bytes]) -> None:
    """Whatever a few lines hold, they are events, and the connection lives on."""
    connection = over_lines(calls=1)
    connection.receive(b"\n".join(lines) + b"\n")
    assert receive_line(connection, {"method": "m"}) == [Notification("m", {})]


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


def test_an_error_holds_more_where_there_is_more() -> None:
    """`data` is there with something in it, or not at all."""
    connection = Connection(LineFramer())
    error = {"code": 5, "message": "no"}
    assert from_json(connection.refuse(1, 5, "no", "why"))["error"] == {**error, "data": "why"}
    assert from_json(connection.refuse(1, 5, "no"))["error"] == error
