"""The talk of a server with its successor: every word, both halves over a real pair, and every way in which it ends."""

from __future__ import annotations

import socket as sockets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import get_args

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio.edge.handover import (
    KIND,
    LONGEST,
    VERSION,
    HandoverFailed,
    Message,
    Predecessor,
    Word,
    hear,
    is_ours,
    offer,
    say,
)

PATIENCE = 5.0
RAW = {
    "nothing": b"",
    "another word": b"hello",
    "no text": b"\xff\x00",
}


@dataclass
class Talk:
    """Both ends: the server's, and the successor's before it has asked."""

    server: trio.socket.SocketType
    successor: sockets.socket

    async def taken(self) -> Predecessor:
        """What the successor has once it has asked."""
        return await trio.to_thread.run_sync(Predecessor.ask, self.successor)


@pytest.fixture
def talk() -> Iterator[Talk]:
    ours, theirs = sockets.socketpair(sockets.AF_UNIX, KIND)
    with ours, theirs:
        yield Talk(trio.socket.from_stdlib_socket(ours), theirs)


@given(st.sampled_from(get_args(Word)), st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=50))
def test_words_are_read_as_they_were_said(word: Word, text: str) -> None:
    """Word and text come out as they went in, but for blanks at the end."""
    assert Message.read(Message(word, text).encode()) == Message(word, text.rstrip())


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_what_is_no_word_is_a_failed_handover(data: bytes) -> None:
    """Whatever else comes, and the end."""
    with pytest.raises(HandoverFailed):
        Message.read(data)


def test_message_is_never_longer_than_is_read() -> None:
    """A reason of any length arrives cut."""
    assert len(Message("refused", "x" * 2 * LONGEST).encode()) == LONGEST


def test_another_word_than_expected_is_told() -> None:
    """With the other side's own reason where it gave one."""
    Message("ready").expect("ready")
    with pytest.raises(HandoverFailed, match="said `ask` in place of `ready`"):
        Message("ask").expect("ready")
    with pytest.raises(HandoverFailed, match=r"^it stops$"):
        Message("refused", "it stops").expect("ready")


async def succeed(predecessor: Predecessor, released: trio.Event) -> None:
    """Say that this process is ready, and tell of the release."""
    await predecessor.succeed()
    released.set()


async def test_sockets_change_hands(talk: Talk) -> None:
    """The successor has the very sockets, none of which a child inherits, and goes on once they are its alone."""
    with sockets.create_server(("127.0.0.1", 0)) as first, sockets.create_server(("127.0.0.1", 0)) as second:
        addresses = [first.getsockname(), second.getsockname()]
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(offer, talk.server, [first, second])
                predecessor = await talk.taken()
                assert [listener.getsockname() for listener in predecessor.listeners] == addresses
                assert not any(listener.get_inheritable() for listener in predecessor.listeners)
                released = trio.Event()
                nursery.start_soon(succeed, predecessor, released)
                await trio.testing.wait_all_tasks_blocked()
                assert not released.is_set()
                say(talk.server, Message("released"))
    gone = [predecessor.gone]
    talk.server.close()
    assert [*gone, predecessor.gone] == [False, True]
    predecessor.close()
    for listener in predecessor.listeners:
        listener.close()


@pytest.mark.parametrize("withdraws", [True, False], ids=["says so", "dies"])
async def test_server_that_goes_on_and_one_that_dies(talk: Talk, *, withdraws: bool) -> None:
    """A server that thinks better of it ends the takeover; one that is gone is succeeded all the same."""
    with sockets.create_server(("127.0.0.1", 0)) as listener, trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(offer, talk.server, [listener])
            predecessor = await talk.taken()
            nursery.cancel_scope.cancel("the server thinks better of it, or dies")
        if withdraws:
            say(talk.server, Message("refused", "it stops"))
        talk.server.close()
        if withdraws:
            with pytest.raises(HandoverFailed, match=r"^it stops$"):
                await predecessor.succeed()
        else:
            await predecessor.succeed()
        assert predecessor.gone
        predecessor.close()
        predecessor.listeners[0].close()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda successor: successor.send(b"ask 0"), "asks in version '0'"),
        (lambda successor: successor.send(b"hello"), "speaks otherwise"),
        (lambda successor: successor.close(), "ended the talk"),
    ],
    ids=["another version", "another language", "gone"],
)
async def test_successor_that_does_not_fit_gets_nothing(
    talk: Talk, end: Callable[[sockets.socket], object], reason: str
) -> None:
    """No socket leaves for somebody who asks otherwise."""
    end(talk.successor)
    with pytest.raises(HandoverFailed, match=reason):
        await offer(talk.server, [])


async def test_successor_that_goes_before_it_is_ready(talk: Talk) -> None:
    """The offer fails, and nothing has changed for the server."""
    talk.successor.send(Message("ask", VERSION).encode())
    with sockets.create_server(("127.0.0.1", 0)) as listener, trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:

            async def leave() -> None:
                await trio.testing.wait_all_tasks_blocked()
                talk.successor.close()

            nursery.start_soon(leave)
            with pytest.raises(HandoverFailed, match=r"ended the talk|is gone"):
                await offer(talk.server, [listener])


async def test_refusal_that_crosses_what_was_said(talk: Talk) -> None:
    """The server hangs up over a word that it has not read, which the kernel tells as a reset; its refusal is heard all
    the same, where to hear nothing would be to serve beside it.
    """
    predecessor = Predecessor(talk.successor, ())
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:

            async def refuse() -> None:
                await trio.testing.wait_all_tasks_blocked()
                say(talk.server, Message("refused", "it stops"))
                talk.server.close()

            nursery.start_soon(refuse)
            with pytest.raises(HandoverFailed, match=r"^it stops$"):
                await predecessor.succeed()


async def test_refusal_in_answer_to_the_question(talk: Talk) -> None:
    """The successor is told why at once; a server that is not there is told as well."""
    say(talk.server, Message("refused", "it stops"))
    with pytest.raises(HandoverFailed, match=r"^it stops$"):
        await talk.taken()
    ours, theirs = sockets.socketpair(sockets.AF_UNIX, KIND)
    ours.close()
    with pytest.raises(HandoverFailed, match="ended the talk"):
        Predecessor.ask(theirs)


async def test_last_word_to_nobody(talk: Talk) -> None:
    """Is said in vain, and read as the end."""
    talk.successor.close()
    say(talk.server, Message("released"))
    with pytest.raises(HandoverFailed):
        await hear(talk.server)


def test_who_is_at_the_other_end() -> None:
    """Is known by its user."""
    ours, theirs = sockets.socketpair(sockets.AF_UNIX, KIND)
    with closing(ours), closing(theirs):
        assert is_ours(ours)
