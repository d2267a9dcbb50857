"""Client: replies to pushes find the push they belong to, and no other."""

from __future__ import annotations

import trio.testing

from lingma_trio.protocol.jsonrpc import Connection, Notification, ServerRequest
from lingma_trio.simulator.client import Client
from lingma_trio.simulator.knobs import Knobs
from lingma_trio.simulator.wire import WebSocket


def new_client(*words: str) -> Client:
    return Client(WebSocket(trio.testing.memory_stream_pair()[1]), Knobs().turned(words))


def test_pushes_are_requests_or_notifications_as_the_knob_says() -> None:
    """Ids count up on their own, and may equal those of the client's calls."""
    (event,) = Connection().receive(new_client("ids=0").push_frame("chat/answer", {}))
    assert event == Notification("chat/answer", {})
    client, peer = new_client("ids=1"), Connection()
    frames = client.push_frame("chat/answer", {}) + client.push_frame("chat/answer", {})
    assert peer.receive(frames) == [ServerRequest(1, "chat/answer", {}), ServerRequest(2, "chat/answer", {})]


def test_a_reply_is_told_to_whoever_waits_for_it() -> None:
    """Once, whether it is a result or an error; calls in the same message are returned."""
    client, peer = new_client("ids=1"), Connection()
    told: list[int] = []
    for number in (1, 2):
        client.push_and_wait("chat/answer", {}, lambda _result, number=number: told.append(number))  # type: ignore[misc]
    events = client.receive(peer.refuse(2, -1, "no") + peer.answer(1) + peer.answer(1) + peer.notify("ping", {}))
    assert told == [2, 1]
    assert events == [Notification("ping", {})]


def test_a_reply_that_comes_too_late_is_told_to_nobody() -> None:
    """Who gave up waiting is not called."""
    client, peer = new_client("ids=1"), Connection()
    told: list[str] = []
    give_up = client.push_and_wait("chat/answer", {}, lambda _result: told.append("late"))
    give_up()
    assert client.receive(peer.answer(1)) == []
    assert told == []
