"""The client of the agent: ids that are free, replies that are awaited, and nothing for who is gone."""

from __future__ import annotations

import trio.testing

from lingma_trio.simulator.acp.client import AcpClient
from lingma_trio.simulator.acp.knobs import AcpKnobs
from lingma_trio.simulator.acp.wire import Reply
from lingma_trio.simulator.script import Request


def test_replies_find_who_waits() -> None:
    """An id that is wanted is given where it is free; each reply is taken once, and by nobody who has given up."""
    stream, _ = trio.testing.memory_stream_one_way_pair()
    client = AcpClient(stream, AcpKnobs(), dropped=lambda: None)
    heard: list[object] = []
    step = Request(0.0, "a", {}, heard.append)
    client.ask(0, step, heard.append)
    client.ask(0, step, heard.append)
    give_up = client.ask(None, step, heard.append)
    give_up()
    replies = [Reply(1, "one"), Reply(0, None, "error"), Reply(0, "again"), Reply(2, "late"), Reply([], "odd")]
    assert [client.take(reply) for reply in replies] == [True, True, False, False, False]
    assert heard == ["one", "error"]


def test_a_client_that_is_gone_gets_nothing() -> None:
    """And whoever drops it is told."""
    stream, _ = trio.testing.memory_stream_one_way_pair()
    told: list[str] = []
    client = AcpClient(stream, AcpKnobs(), dropped=lambda: told.append("dropped"))
    client.drop()
    client.tell("a", {})
    assert (told, client.outbox.unwritten) == (["dropped"], 0)
