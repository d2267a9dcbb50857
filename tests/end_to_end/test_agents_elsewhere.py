"""Gateways that run no Lingma: agents do, for all of them, as processes of their own."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
import trustme
from pydantic_core import from_json

from tests.end_to_end.client import Answer, Json, chat, connected, fetch, question
from tests.end_to_end.fleet import Fleet, accounts
from tests.end_to_end.gateway import OPERATOR, SERVE, Gateway, launched, poll
from tests.real_store import RealServer
from tests.servers import free_port

pytestmark = pytest.mark.slow

AGENT = (sys.executable, "-m", "lingma_trio.cli", "agent")
TOKEN = "the-token-of-this-fleet"
QUICK = "Why?\n#simulate first=0 gap=0"
SLOW = "Take your time.\n#simulate first=1 gap=0"
LONG = "Go on.\n#simulate first=0 gap=0.2 deltas=200"


class Site:
    """Gateways and agents in one folder, which are started one by one and end together."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.addresses: list[str] = []

    def agent(self, name: str, **settings: str) -> Gateway:
        """An agent with two simulators, which may not be listening yet; one of that name goes on in its place."""
        address = f"unix:{self.folder}/{name}.sock"
        if address not in self.addresses:
            self.addresses.append(address)
        given = {
            "HOST": address,
            "AGENT_TOKEN": TOKEN,
            "REPLICA_NAME": name,
            "LINGMA_ACCOUNTS": accounts(2),
            "LINGMA_SIMULATOR": "record=1",
            "SHUTDOWN_GRACE_SEC": "5",
        }
        return self._stack.enter_context(launched(self.folder / name, AGENT, **{**given, **settings}))

    def gateway(self, name: str, **settings: str) -> Gateway:
        """A gateway that asks all agents there are so far."""
        given = {
            "LINGMA_UPSTREAM": "agents",
            "AGENT_TOKEN": TOKEN,
            "LINGMA_AGENTS": ",".join(self.addresses),
            "REPLICA_NAME": name,
        }
        return self._stack.enter_context(launched(self.folder / name, SERVE, **{**given, **settings}))


@pytest.fixture
def site() -> Iterator[Site]:
    """A folder whose path is short enough for a socket in it."""
    with TemporaryDirectory(prefix="lt-") as folder, ExitStack() as stack:
        yield Site(Path(folder), stack)


async def until_ready(gateway: Gateway, count: int) -> Fleet:
    """Wait until a gateway can ask so many instances."""
    await gateway.until(lambda: bool(gateway.port))
    await Fleet(gateway).until_ready(count)
    return Fleet(gateway)


def asked(agent: Gateway) -> list[Json]:
    """Each question and stop that the agent's simulators got, but for what the agent finds out the dialect by."""
    files = agent.directory.glob("lingma-simulator-*/**/asks.jsonl")
    told = [from_json(line) for file in files for line in file.read_bytes().rpartition(b"\n")[0].splitlines()]
    return [each for each in told if "probe" not in each["requestId"]]


async def test_two_gateways_share_an_agent(site: Site) -> None:
    """Each has its turns on both instances, and a client that leaves one stops its own turn and no other."""
    agent = site.agent("one")
    first, second = site.gateway("a"), site.gateway("b")
    await until_ready(first, 2)
    await until_ready(second, 2)
    assert sorted(await Fleet(first).ready()) == ["one.lingma-0", "one.lingma-1"]
    answers: list[Answer] = []

    async def ask(gateway: Gateway) -> None:
        answers.append(await chat(gateway.port, SLOW))

    async with trio.open_nursery() as nursery:
        for gateway in (first, second, first, second):
            nursery.start_soon(ask, gateway)
    assert [answer.status for answer in answers] == [200] * 4
    assert all(answer.events[-1] == "[DONE]" for answer in answers)
    await first.until(lambda: len(Fleet(first).requests()) == 2)  # whose lines come after their answers
    assert {line["instance"] for line in Fleet(first).requests()} == {"one.lingma-0", "one.lingma-1"}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, second)
        async with connected(first.port) as leaving:
            await leaving.send("POST", "/v1/chat/completions", question(LONG))
            await agent.until(lambda: len([each for each in asked(agent) if each["kind"] == "ask"]) == 6)
    assert answers[-1].events[-1] == "[DONE]"
    await agent.until(lambda: [each["kind"] for each in asked(agent)].count("stop") == 1)
    assert await second.limiter() == (0, 0)


async def test_turn_of_an_agent_that_is_killed_is_moved_unseen(site: Site) -> None:
    """Its client sees a first text that comes a little later."""
    agents = {name: site.agent(name) for name in ("one", "two")}
    gateway = site.gateway("a")
    fleet = await until_ready(gateway, 4)
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await chat(gateway.port, SLOW))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await gateway.until(lambda: any(asked(agent) for agent in agents.values()))
        killed = next(name for name, agent in agents.items() if asked(agent))
        agents[killed].process.send_signal(signal.SIGKILL)
    assert answers[0].status == 200
    assert answers[0].events[-1] == "[DONE]"
    await gateway.until(lambda: bool(fleet.requests()))  # the line of the log, which comes after the answer
    assert not fleet.requests()[-1]["instance"].startswith(killed)
    await fleet.until_state([f"{killed}.lingma-0", f"{killed}.lingma-1"], "backing_off")
    site.agent(killed)
    await fleet.until_ready(4)


async def order(gateway: Gateway, instance: str, what: str) -> Answer:
    """Have an operator order something."""
    return await fetch(gateway.port, "POST", f"/internal/instances/{instance}/{what}", headers=OPERATOR)


async def test_sessions_and_orders_hold_at_all_gateways_by_way_of_a_store(site: Site, tmp_path: Path) -> None:
    """A conversation goes on at another gateway; agents are found without a list; and what is drained stays so."""
    store = RealServer(tmp_path)
    store.start()
    try:
        agent = site.agent("one", STATE_URL=store.url)
        gateways = [site.gateway(name, STATE_URL=store.url, LINGMA_AGENTS="") for name in ("a", "b")]
        first, second = [await until_ready(gateway, 2) for gateway in gateways]
        answer = await chat(first.gateway.port, QUICK)
        messages = [
            {"role": "user", "content": QUICK},
            {"role": "assistant", "content": answer.text},
            {"role": "user", "content": f"And then?\n{QUICK}"},
        ]
        again = await chat(second.gateway.port, "", messages=messages)
        assert again.events[-1] == "[DONE]"
        await second.gateway.until(lambda: bool(second.requests()))
        assert second.requests()[-1]["session"] == "hit"

        assert (await order(first.gateway, "one.lingma-0", "drain")).json["state"] == "drained"
        await second.until_state(["one.lingma-0"], "drained")
        await until_drained(first.gateway, store)
        agent.process.send_signal(signal.SIGKILL)
        agent.process.wait()
        await second.until_state(["one.lingma-1"], "backing_off")
        site.agent("one", STATE_URL=store.url)
        await second.until_state(["one.lingma-0"], "drained")
        await second.until_state(["one.lingma-1"], "ready")
        assert (await order(second.gateway, "one.lingma-0", "resume")).status == 200
        await first.until_ready(2)
    finally:
        store.stop()


async def until_drained(gateway: Gateway, store: RealServer) -> None:
    """Wait until the store has it that an instance is drained."""
    await gateway.until(lambda: store.command("EXISTS", "lt:{fleet}:drained") == b":1")


@contextmanager
def certificates(folder: Path, authority: trustme.CA, trusted: trustme.CA) -> Iterator[dict[str, str]]:
    """Settings for what `authority` signed for this machine, and for taking what `trusted` signed."""
    folder.mkdir()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "cert")
    issued.private_key_pem.write_to_path(folder / "key")
    trusted.cert_pem.write_to_path(folder / "ca")
    names = {"AGENT_CERT_FILE": "cert", "AGENT_KEY_FILE": "key", "AGENT_CA_FILE": "ca"}
    yield {name: str(folder / file) for name, file in names.items()}


@pytest.mark.alone
async def test_certificates_prove_the_two_to_each_other(site: Site) -> None:
    """And a gateway of another authority says in /readyz why it is refused, within 5 s of its first attempt."""
    ours, another = trustme.CA(), trustme.CA()
    port = free_port()
    place = {"LINGMA_AGENTS": f"wss://localhost:{port}", "AGENT_TOKEN": ""}
    with (
        certificates(site.folder / "1", ours, ours) as agents,
        certificates(site.folder / "2", ours, ours) as gateways,
        certificates(site.folder / "3", another, ours) as strangers,
    ):
        site.agent("one", **{"HOST": "127.0.0.1", "PORT": str(port), "AGENT_TOKEN": "", **agents})
        gateway = site.gateway("a", **place, **gateways)
        await until_ready(gateway, 2)
        assert (await chat(gateway.port, QUICK)).events[-1] == "[DONE]"

        refused = site.gateway("b", **place, **strangers)
        await refused.until(lambda: bool(refused.port))
        began = time.monotonic()

        async def told() -> bool:
            agents = (await refused.fetch("/readyz")).json["agents"]
            return any("AGENT_CERT_FILE" in agent["reason"] for agent in agents)

        await poll(told)
        assert time.monotonic() - began < 5
