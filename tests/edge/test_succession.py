"""Who may follow a server, one at a time; what then happens, and that nothing does where it comes to nothing."""

from __future__ import annotations

import os
import resource
import socket as sockets
import stat
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lingma_trio.edge.addresses import Listeners
from lingma_trio.edge.handover import KIND, HandoverFailed, Predecessor
from lingma_trio.edge.succession import PAUSE, READY_SECONDS, Succession, knock, open_door
from tests.lingma.support import descriptors
from tests.sweep import Tripwire

PATIENCE = 20.0
TAKES_OVER = """
import os, trio
from lingma_trio.edge.handover import Predecessor
from lingma_trio.edge.successor import started_as_successor
predecessor = Predecessor.ask(started_as_successor(os.environ))
trio.run(predecessor.succeed)
"""
CRASHES = "raise SystemExit(7)"


@dataclass
class Server:
    """What a successor makes of one: its listener, and whether it has let go."""

    listener: sockets.socket
    listeners: Listeners
    resigned: list[int] = field(default_factory=list)

    async def resign(self, successor: int) -> None:
        """Note who it is left to."""
        await trio.lowlevel.checkpoint()
        self.resigned.append(successor)

    def succession(
        self, source: str = TAKES_OVER, *, predecessor: Predecessor | None = None, supervised: bool = False
    ) -> Succession:
        """Of a server that does serve."""
        command = [sys.executable, "-c", source]
        made = Succession(self.listeners, self.resign, predecessor=predecessor, supervised=supervised, command=command)
        made.allow()
        return made


@pytest.fixture
def server() -> Iterator[Server]:
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        yield Server(listener, Listeners([listener]))


@asynccontextmanager
async def asked(succession: Succession, door: Path) -> AsyncIterator[None]:
    """Askers are heard at the door for the length of the block."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(succession.hear_askers, door, nursery)
        await wait_all_tasks_blocked()
        yield
        nursery.cancel_scope.cancel("the test is over")


@asynccontextmanager
async def predecessor_at(door: Path) -> AsyncIterator[Predecessor]:
    """What a process is given that asks there."""
    predecessor = await trio.to_thread.run_sync(lambda: Predecessor.ask(knock(door)))
    with closing(predecessor):
        yield predecessor
        for listener in predecessor.listeners:
            listener.close()


async def refusal_at(door: Path) -> str:
    """What a process is told that asks there in vain."""
    with pytest.raises(HandoverFailed) as refusal:
        async with predecessor_at(door):
            pass
    return str(refusal.value)


def reasons(logs: Sequence[object]) -> list[object]:
    """Why takeovers came to nothing."""
    return [entry["reason"] for entry in logs if isinstance(entry, dict) and entry["event"] == "takeover_failed"]


async def test_successor_of_its_own(server: Server) -> None:
    """Once it is ready the server lets go of what it has, and of its sockets' names; nobody can follow after that."""
    with trio.fail_after(PATIENCE), server.succession() as succession:
        await succession.replace()
        assert len(server.resigned) == 1
        assert server.listeners.handed_on
        with structlog.testing.capture_logs() as logs:
            await succession.replace()
        assert reasons(logs) == ["another gateway has taken over already"]
        await trio.to_thread.run_sync(os.waitpid, server.resigned[0], 0)


async def test_successor_that_fails_is_told_and_changes_nothing(server: Server) -> None:
    """With its exit status; another one may try."""
    with trio.fail_after(PATIENCE), server.succession(CRASHES) as succession:
        for _ in range(2):
            with structlog.testing.capture_logs() as logs:
                await succession.replace()
            assert [entry.get("exit_status") for entry in logs] == [None, 7]
            assert reasons(logs) == ["the other side ended the talk"]
    assert not server.resigned
    assert not server.listeners.handed_on


async def test_successor_that_is_never_ready(server: Server, tmp_path: Path, autojump_clock: MockClock) -> None:
    """Has its time, and is then told that it is late."""
    autojump_clock.autojump_threshold = 0.2
    door = tmp_path / "door"
    with server.succession() as succession, structlog.testing.capture_logs() as logs:
        async with asked(succession, door), predecessor_at(door) as predecessor:
            await trio.sleep(READY_SECONDS + 1)
            with pytest.raises(HandoverFailed, match="not ready within 30 s"):
                await predecessor.succeed()
    assert reasons(logs) == ["the successor was not ready within 30 s"]
    assert not server.resigned


async def test_asker_takes_over(server: Server, tmp_path: Path) -> None:
    """A door is this user's alone, and not longer there than somebody can answer, however deep it lies."""
    door = tmp_path / ("deep" * 40) / "door.sock"
    with trio.fail_after(PATIENCE):
        async with AsyncExitStack() as stack:
            with server.succession() as succession:
                async with asked(succession, door):
                    assert stat.S_IMODE(door.stat().st_mode) == 0o600
                    assert stat.S_IMODE(door.parent.stat().st_mode) == 0o700
                    predecessor = await stack.enter_async_context(predecessor_at(door))
                    assert [each.getsockname() for each in predecessor.listeners] == [server.listener.getsockname()]
                    await predecessor.succeed()
                    assert server.resigned == [0]
                    gone = [predecessor.gone]
                assert not door.exists()
            assert [*gone, predecessor.gone] == [False, True], "with all that the server ran"


async def test_one_at_a_time(server: Server, tmp_path: Path) -> None:
    """Who asks while another one is about to take over is told so, and so is who asks a server that is to end."""
    door = tmp_path / "door"
    with trio.fail_after(PATIENCE), server.succession() as succession:
        async with asked(succession, door), predecessor_at(door) as first:
            assert await refusal_at(door) == "another takeover is under way"
            succession.refuse("the gateway is being stopped")
            with pytest.raises(HandoverFailed, match="is being stopped"):
                await first.succeed()
            assert await refusal_at(door) == "the gateway is being stopped"
    assert not server.resigned


async def test_stop_ends_the_successor_that_was_started(server: Server, autojump_clock: MockClock) -> None:
    """A server that is told to end while its successor starts does so alone."""
    autojump_clock.autojump_threshold = 0.5
    with server.succession("import time; time.sleep(60)") as succession:
        with structlog.testing.capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(succession.replace)
                await trio.sleep(1)
                succession.refuse("the gateway is being stopped")
        assert reasons(logs) == ["the gateway is being stopped"]
        assert logs[-1]["exit_status"] == -15


async def test_under_systemd_only_a_child_follows(server: Server, tmp_path: Path) -> None:
    """Who comes by itself is told how it is done there."""
    door = tmp_path / "door"
    with trio.fail_after(PATIENCE), server.succession(supervised=True) as succession:
        async with asked(succession, door):
            assert "--signal=SIGUSR2" in await refusal_at(door)


async def test_nobody_follows_before_the_one_before_has_ended(server: Server, tmp_path: Path) -> None:
    """Two that wait for one Lingma would keep it from each other."""
    door = tmp_path / "door"
    ours, theirs = sockets.socketpair(sockets.AF_UNIX, KIND)
    with trio.fail_after(PATIENCE), ours, server.succession(predecessor=Predecessor(theirs, ())) as succession:
        async with asked(succession, door):
            assert "still finishes its streams" in await refusal_at(door)
            ours.close()
            async with predecessor_at(door) as predecessor:
                await predecessor.succeed()
    assert server.resigned == [0]


async def test_server_that_does_not_serve_yet_is_not_followed(server: Server) -> None:
    """It says so in the log."""
    with Succession(server.listeners, server.resign) as succession, structlog.testing.capture_logs() as logs:
        await succession.replace()
    assert reasons(logs) == ["the gateway does not serve yet"]


async def test_door_that_cannot_be_had_harms_nobody(server: Server, tmp_path: Path) -> None:
    """Another gateway has it, or there is no such place: then nobody asks, and the log has why."""
    with open_door(tmp_path / "door"), server.succession() as succession:
        for place in (tmp_path / "door", Path("/proc/nowhere/door")):
            with structlog.testing.capture_logs() as logs:
                async with trio.open_nursery() as nursery:
                    await succession.hear_askers(place, nursery)
            assert [entry["event"] for entry in logs] == ["no_takeover_from_outside"]
        with pytest.raises(OSError, match="No such file"):
            knock(tmp_path / "elsewhere")


async def test_asker_for_whom_there_is_no_descriptor_is_heard_later(
    server: Server, tmp_path: Path, mock_clock: MockClock
) -> None:
    """That ends nothing of the server, which may have all of its clients at that moment."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    door = tmp_path / "door"
    with server.succession() as succession, structlog.testing.capture_logs() as logs:
        async with asked(succession, door):
            asker = knock(door)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                await wait_all_tasks_blocked()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            mock_clock.jump(PAUSE)
            predecessor = await trio.to_thread.run_sync(Predecessor.ask, asker)
            with closing(predecessor):
                await predecessor.succeed()
            for listener in predecessor.listeners:
                listener.close()
    assert server.resigned == [0]
    assert {"asker_not_heard"} < {entry["event"] for entry in logs}


# --- before every step that anything takes ----------------------------------------------------------------------------


async def succeed(socket: sockets.socket, outcome: list[str]) -> None:
    """Be a successor: serve when the server has let go or died, and not when it goes on."""
    try:
        predecessor = await trio.to_thread.run_sync(Predecessor.ask, socket)
    except HandoverFailed as fault:
        outcome.append("refused" if "ended the talk" not in str(fault) else "serves")
        return
    with closing(predecessor), ExitStack() as stack:
        for listener in predecessor.listeners:
            stack.enter_context(listener)
        try:
            await predecessor.succeed()
        except HandoverFailed:
            outcome.append("refused")
        else:
            outcome.append("serves")


async def cut(server: Server, step: int, end: str) -> tuple[bool, list[str]]:
    """Hand over, and end that before the given step; returns whether it came to that, and what the successor does."""
    ours, theirs = sockets.socketpair(sockets.AF_UNIX, KIND)
    outcome: list[str] = []
    scope = trio.CancelScope()
    with server.succession() as succession:
        act = scope.cancel if end == "dies" else partial(succession.refuse, "the gateway is being stopped")
        wire = Tripwire(step, act)
        trio.lowlevel.add_instrument(wire)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(succeed, theirs, outcome)
                with scope:
                    await succession.answer(trio.socket.from_stdlib_socket(ours))
                if not server.resigned:
                    ours.close()
        finally:
            trio.lowlevel.remove_instrument(wire)
    return wire.at is not None, outcome


@pytest.mark.parametrize("end", ["dies", "stops"])
async def test_exactly_one_serves_whenever_it_ends(server: Server, end: str) -> None:
    """A server that is told to stop in the middle either has handed over or its successor does not serve; one that dies
    is succeeded in any case. Nothing stays open.
    """
    before = descriptors()
    step, tripped, seen = 1, True, set()
    with trio.fail_after(PATIENCE):
        while tripped:
            server.resigned.clear()
            server.listeners.handed_on = False
            tripped, outcome = await cut(server, step, end)
            serves = bool(server.resigned) or end == "dies"
            assert outcome == ["serves" if serves else "refused"], step
            assert descriptors() == before, step
            seen.add(bool(server.resigned))
            step += 1
    assert seen == {True, False}
    assert step > 5
