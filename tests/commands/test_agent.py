"""`agent` refuses to be reached by who may not reach it, serves gateways, drains, and stops what a dead one left."""

from __future__ import annotations

import signal
import socket as sockets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from pydantic_core import from_json

from lingma_trio.errors import ChannelLost
from lingma_trio.lingma.remote.dial import Dialler, Streams
from lingma_trio.lingma.websocket import WebSocket
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.protocol.fleet_messages import BUSY, DRAINING, FLEET, FleetState, InstanceReport, instance_path
from lingma_trio.protocol.jsonrpc import Connection, ErrorResponse, Event, Notification
from tests.commands.support import PATIENCE, run
from tests.doctor.support import taken_port
from tests.end_to_end.client import fetch
from tests.end_to_end.gateway import OPERATOR, Gateway, environment, launched
from tests.servers import free_port

AGENT = (sys.executable, "-m", "lingma_trio.cli", "agent")
TOKEN = "a-token-of-the-fleet"
HANDED_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "lingma_trio.cli", "agent"])
"""
FAILING = """
import trio
from lingma_trio.cli import cli

def run(*_):
    raise ExceptionGroup("of a task", [OSError("a bug")])

trio.run = run
cli(["agent"])
"""
LONG = "Tell me\n#simulate deltas=500 first=0 gap=0.05"


class Asker:
    """A gateway at one path of an agent, which is there as long as `run` runs."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.rpc = Connection()
        self._scope = trio.CancelScope()
        self._put, self._events = trio.open_memory_channel[Event](10_000)

    async def run(self) -> None:
        """Take what comes, and show that somebody is there."""
        try:
            with self._scope:
                while True:
                    for event in self.rpc.receive(await self.socket.receive()):
                        self._put.send_nowait(event)
                    if self.socket.owes:
                        await self.socket.send()
        except ChannelLost:
            return
        finally:
            with trio.move_on_after(1, shield=True):
                await self.socket.aclose()

    def leave(self) -> None:
        """Be gone."""
        self._scope.cancel("the gateway leaves")

    async def event(self) -> Event:
        """What comes next."""
        with trio.fail_after(PATIENCE):
            return await self._events.receive()

    async def ask(self, key: str) -> None:
        """Put a question whose answer takes a while."""
        params = {"requestId": key, "sessionId": "", "questionText": LONG, "isReply": False, "stream": True}
        params |= {"extra": {"modelConfig": {"key": "org_auto"}}, "sessionType": "chat", "chatTask": "FREE_INPUT"}
        await self.socket.send(self.rpc.request("chat/ask", params)[1])

    async def until(self, method: str) -> Notification:
        """The next push of that kind."""
        while True:
            event = await self.event()
            if isinstance(event, Notification) and event.method == method:
                return event

    async def refused(self) -> int:
        """The code of the next error."""
        while True:
            event = await self.event()
            if isinstance(event, ErrorResponse):
                return event.code


class Agent:
    """An agent's process, and a way to it."""

    def __init__(self, process: Gateway, port: int, nursery: trio.Nursery) -> None:
        self.process = process
        self.port = port
        self._nursery = nursery

    async def dial(self, target: str) -> Asker:
        """A gateway there."""
        address = AgentAddress("ws", "127.0.0.1", self.port)
        asker = Asker(await Dialler(Streams().open, TOKEN).open(address, target))
        self._nursery.start_soon(asker.run)
        return asker

    async def ready(self) -> InstanceReport:
        """Its instance, once it can be asked."""
        fleet = await self.dial(FLEET)
        while True:
            (instance,) = FleetState.read((await fleet.until("fleet/state")).params).instances
            if instance.state == "ready":
                fleet.leave()
                return instance

    async def asker(self) -> Asker:
        """A gateway at the instance's present life."""
        instance = await self.ready()
        return await self.dial(instance_path(instance.name, instance.life))


@asynccontextmanager
async def started(directory: Path, **settings: str) -> AsyncIterator[Agent]:
    """An agent with a simulator, which listens."""
    port = free_port()
    with launched(directory, AGENT, PORT=str(port), AGENT_TOKEN=TOKEN, **settings) as process:
        await process.until(lambda: "Running on ws://" in process.log)
        async with trio.open_nursery() as nursery:
            yield Agent(process, port, nursery)
            nursery.cancel_scope.cancel("the test is over")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "AGENT_TOKEN: is needed"),
        ({"HOST": "0.0.0.0", "AGENT_TOKEN": TOKEN}, "AGENT_CERT_FILE"),
        ({"HOST": "example.com", "AGENT_TOKEN": TOKEN}, "AGENT_CERT_FILE"),
        ({"AGENT_CERT_FILE": "no.crt"}, "AGENT_CA_FILE"),
        (
            {"AGENT_CERT_FILE": "no.crt", "AGENT_KEY_FILE": "no.key", "AGENT_CA_FILE": "no.ca"},
            "AGENT_CERT_FILE, AGENT_KEY_FILE and AGENT_CA_FILE do not fit",
        ),
    ],
    ids=["no token", "everywhere", "a name", "half a certificate", "no such file"],
)
def test_an_agent_that_anybody_could_reach_does_not_start(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    """Nor one that nobody could; what is missing is named."""
    done = run(tmp_path, "agent", **settings)
    assert done.returncode == 2
    assert told in done.stderr


def test_sockets_that_anybody_could_reach_are_refused(tmp_path: Path) -> None:
    """What systemd handed over counts, and not HOST."""
    with sockets.create_server(("0.0.0.0", 0)) as everywhere:
        done = subprocess.run(
            [sys.executable, "-c", HANDED_OVER, str(everywhere.fileno())],
            cwd=tmp_path,
            env=environment(tmp_path, {"HOST": "127.0.0.1", "AGENT_TOKEN": TOKEN}),
            pass_fds=(everywhere.fileno(),),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 2
    assert "ListenStream=127.0.0.1" in done.stderr


def test_nothing_configured_is_said(tmp_path: Path) -> None:
    """As `serve` says it: an agent has the Lingmas, whatever its gateways' setting says."""
    unset = {"LINGMA_UPSTREAM": "agents", "LINGMA_DATA_DIR": "", "LINGMA_BOOTSTRAP_ALWAYS": "true"}
    done = run(tmp_path, "agent", **unset, AGENT_TOKEN=TOKEN, HOME=str(tmp_path))
    assert done.returncode == 2
    assert "no Lingma at" in done.stderr


def test_an_address_for_probes_that_is_taken_is_said(tmp_path: Path) -> None:
    """By its setting, with the status that says so."""
    with taken_port() as port:
        done = run(tmp_path, "agent", "--port", "0", AGENT_TOKEN=TOKEN, AGENT_PROBE_PORT=str(port))
    assert done.returncode == 3
    assert f"AGENT_PROBE_PORT={port} cannot be listened on: Address already in use" in done.stderr


def test_bug_is_not_told_as_the_address_s(tmp_path: Path) -> None:
    """What fails in the tree of tasks shows where, also where it is an error of the system."""
    ended = subprocess.run(
        [sys.executable, "-c", FAILING],
        cwd=tmp_path,
        env=environment(tmp_path, {"AGENT_TOKEN": TOKEN}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 1
    assert "OSError: a bug" in ended.stderr
    assert "cannot be listened on" not in ended.stderr


async def test_probes_have_a_port_of_their_own(tmp_path: Path) -> None:
    """In plain text, for whoever asks; there are no gateways there."""
    probes = free_port()
    async with started(tmp_path, AGENT_PROBE_PORT=str(probes)) as agent:
        name = (await agent.ready()).name.removesuffix(".lingma-0")
        assert f'"replica": "{name}"' in agent.process.log.splitlines()[0]
        assert (await fetch(probes, "GET", "/readyz")).status == 200
        assert (await fetch(probes, "GET", "/fleet")).status == 404
        tree = (await fetch(probes, "GET", "/internal/tree", headers=OPERATOR)).json["root"]
        assert {child["name"] for child in tree["children"]} == {"agent", "calls from threads"}


async def test_turns_under_way_end_before_an_agent_does(tmp_path: Path) -> None:
    """It begins no other ones meanwhile, and says so."""
    async with started(tmp_path) as agent:
        asker, fleet = await agent.asker(), await agent.dial(FLEET)
        await asker.ask("a")
        await asker.until("chat/answer")
        agent.process.process.send_signal(signal.SIGTERM)
        while not FleetState.read((await fleet.until("fleet/state")).params).stopping:
            pass
        assert (await fetch(agent.port, "GET", "/readyz")).status == 503
        await asker.ask("b")
        assert await asker.refused() == DRAINING
        await asker.until("chat/finish")
        assert await agent.process.exit_status() == 0


async def test_the_turns_of_a_gateway_that_is_gone_are_stopped(tmp_path: Path) -> None:
    """Lingma hears of it at once, and others' turns go on; the bound is everybody's."""
    async with started(tmp_path, LINGMA_MAX_IN_FLIGHT_PER_INSTANCE="2", LINGMA_SIMULATOR="record=1") as agent:
        one, two = await agent.asker(), await agent.asker()
        await one.ask("a")
        await two.ask("b")
        await one.until("chat/answer")
        await two.until("chat/answer")
        await two.ask("c")
        assert await two.refused() == BUSY
        one.leave()

        def stopped() -> set[str]:
            return {each["requestId"] for each in agent.process.records if each["kind"] == "stop"}

        await agent.process.until(lambda: "a" in stopped())
        assert "b" not in stopped()
        await two.until("chat/answer")
        page = from_json((await fetch(agent.port, "GET", "/readyz")).body)
        assert page["status"] == "ready"
