"""Agents over ACP, as processes of their own: killed, frozen, left in mid-turn, and told what no agent should obey."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest
import trio
from pydantic_core import to_json

from tests.end_to_end.client import Connection, chat, connected, fetch, question
from tests.end_to_end.fleet import Fleet
from tests.end_to_end.gateway import OPERATOR, SERVE, Gateway, is_alive, launched, started
from tests.end_to_end.upstreams import ACP

LONG = bool(os.environ.get("LONG_TESTS"))
KILLS = 100 if LONG else 6
CANCELS = 1000 if LONG else 100
CLIENTS = 16
AT_ONCE = 8
SEED = 20261129

ENDLESS = "Go on and on.\n#simulate first=0 gap=0.01 deltas=4000"
QUICK = "Quick.\n#simulate first=0 gap=0"
SILENT = "Wait.\n#simulate fault=stall_first"
NEW_LIFE = 1.0
"""Seconds that a killed agent may be away beyond the time that it takes to start."""

PROMPTLY = 0.05
"""Seconds within which an agent is told of nearly every cancel."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One agent, which writes down what it is sent."""
    with started(tmp_path_factory.mktemp("agents"), SERVE, ACP, GATEWAY_MAX_IN_FLIGHT="0") as running:
        yield running


async def restart(gateway: Gateway) -> float:
    """Have the agent started anew by an operator; return the seconds until it was ready."""
    generation = (await gateway.stats())["instances"][0]["generation"]
    began = time.monotonic()
    told = await fetch(gateway.port, "POST", "/internal/instances/acp-0/restart", b"{}", OPERATOR)
    assert told.status == 200, told.body
    await gateway.until_generation(generation + 1)
    await gateway.until_ready()
    return time.monotonic() - began


@pytest.mark.alone
async def test_killed_agent_is_back_at_once(gateway: Gateway) -> None:
    """Within its own start time and a second; what it was answering fails, and nothing of any life is left."""
    await gateway.until_ready()
    assert (await chat(gateway.port, QUICK)).complete
    descriptors, processes = gateway.descriptors, len(gateway.descendants)
    late = []
    for _ in range(KILLS):
        start = await restart(gateway)
        generation = (await gateway.stats())["instances"][0]["generation"]
        async with connected(gateway.port) as client:
            await client.ask(question(ENDLESS))
            await client.head()
            await client.first_event()
            began = time.monotonic()
            os.kill(gateway.simulator, signal.SIGKILL)
            body, _ = await client.rest()
            assert b'"code":"upstream_lost"' in body
        await gateway.until_generation(generation + 1)
        await gateway.until_ready()
        late.append(time.monotonic() - began - start)
    assert median(late) < NEW_LIFE, late
    assert (await chat(gateway.port, QUICK)).complete
    await gateway.until(lambda: gateway.descriptors <= descriptors and len(gateway.descendants) <= processes)
    assert gateway.open_sessions <= 2, "that of the last answer, and one for the next"


@pytest.mark.alone
async def test_agent_is_told_of_a_cancel_at_once(gateway: Gateway) -> None:
    """However many leave at random moments: each is told, promptly, and its session is closed."""
    await gateway.until_ready()
    dice = random.Random(SEED)
    seen = len(gateway.records)
    left: list[int] = []
    plans = [dice.uniform(0, 0.2) for _ in range(CANCELS)]

    async def be_one_after_the_other() -> None:
        while plans:
            after = plans.pop()
            async with connected(gateway.port) as client:
                await client.ask(question(ENDLESS))
                await client.head()
                await client.first_event()
                await trio.sleep(after)
                left.append(time.monotonic_ns())
                Connection.reset(client)

    async with trio.open_nursery() as nursery:
        for _ in range(CLIENTS):
            nursery.start_soon(be_one_after_the_other)
    await gateway.until_limiter(in_flight=0)

    def stops() -> list[int]:
        return [record["time"] for record in gateway.records[seen:] if record["kind"] == "stop"]

    await gateway.until(lambda: len(stops()) == CANCELS)
    delays = [(told - gone) / 1e9 for told, gone in zip(sorted(stops()), sorted(left), strict=True)]
    assert median(delays) < PROMPTLY, delays
    if LONG:
        assert quantiles(delays, n=100)[-1] < PROMPTLY, quantiles(delays, n=100)
    size = (await gateway.stats())["sessions"]["size"]
    await gateway.until(lambda: gateway.open_sessions <= size + 1)


async def test_eight_are_answered_at_once(gateway: Gateway) -> None:
    """By one agent, each in a session of its own."""
    await gateway.until_ready()
    seen = len(gateway.records)
    began = time.monotonic()
    async with trio.open_nursery() as nursery:
        for number in range(AT_ONCE):
            nursery.start_soon(chat, gateway.port, f"Number {number}.\n#simulate first=1 gap=0")
    assert time.monotonic() - began < AT_ONCE / 2
    assert len({record["sessionId"] for record in gateway.records[seen:]}) == AT_ONCE


@pytest.mark.parametrize("command", ["/init", "/about", " /init", "/unknown\nthing"])
async def test_message_is_never_a_command(gateway: Gateway, command: str) -> None:
    """With a slash in front it is a message like any other: nothing runs, no file appears, and the agent answers it."""
    await gateway.until_ready()
    answer = await chat(gateway.port, f"{command}\n#simulate first=0 gap=0")
    said = command.splitlines()[-1].strip()
    assert f"You said: “{said}”" in answer.text
    again = [
        {"role": "user", "content": command},
        {"role": "assistant", "content": answer.text},
        {"role": "user", "content": QUICK},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": f"{command}\n#simulate first=0 gap=0"},
    ]
    assert (await chat(gateway.port, "", messages=again)).complete
    assert not list(gateway.directory.glob("agents/acp/*/work/*"))


@pytest.mark.parametrize("options", ["usual", "unusual", "no_reject", "none"])
@pytest.mark.parametrize("number", ["counted", "zero", "prompt", "text"])
async def test_permission_is_refused(gateway: Gateway, number: str, options: str) -> None:
    """Whatever id the request has and whatever it offers: the tool does not run, and the answer goes on."""
    await gateway.until_ready()
    answer = await chat(gateway.port, f"Do it.\n#simulate first=0 gap=0 permission={number} options={options}")
    assert answer.complete
    assert "Do it." in answer.text
    stats = await gateway.stats()
    assert not any(value for name, value in stats["metrics"].items() if "acp_tool_ran" in name)


async def test_odd_agent_is_served(gateway: Gateway) -> None:
    """What an agent asks that nobody takes, says that is no answer, or sends that is nothing at all."""
    await gateway.until_ready()
    for oddity in ("asks=file", "asks=terminal", "asks=vendor", "stray=1", "long_line=20000000"):
        answer = await chat(gateway.port, f"Odd.\n#simulate first=0 gap=0 message_ids=1 {oddity}")
        assert (answer.complete, "Odd." in answer.text) == (True, True), oddity


async def test_tool_that_ran_is_told(gateway: Gateway) -> None:
    """In the log and in the metrics; the answer goes on."""
    await gateway.until_ready()
    assert (await chat(gateway.port, "Run.\n#simulate first=0 gap=0 tool=runs")).complete
    stats = await gateway.stats()
    assert [value for name, value in stats["metrics"].items() if "acp_tool_ran_total" in name] == [1.0]


@pytest.mark.alone
async def test_frozen_agent_is_replaced(tmp_path: Path) -> None:
    """One that answers nobody any more, be it a cancel or who wants a session: after three in a row it is replaced."""
    limits = {"LINGMA_FIRST_DELTA_TIMEOUT": "0.5", "LINGMA_RPC_TIMEOUT": "4", "GATEWAY_MAX_IN_FLIGHT": "0"}
    with started(tmp_path, SERVE, ACP, LINGMA_SIMULATOR="first=0,gap=0,record=1", **limits) as gateway:
        assert (await chat(gateway.port, "Hello.")).complete  # in the session that was made for it
        os.kill(gateway.simulator, signal.SIGSTOP)
        generation = (await gateway.stats())["instances"][0]["generation"]
        while (await gateway.stats())["instances"][0]["generation"] == generation:
            await chat(gateway.port, "Still there?", stream=False)
        await gateway.until_ready()
        assert (await chat(gateway.port, "And now?")).complete


WRINKLES = {
    "crlf": "crlf=1",
    "pieces": "split=7",
    "commands": "commands=late",
    "junk": "junk=3,banner=1",
    "models": "offers=models",
    "options": "offers=options",
    "nothing": "offers=neither",
    "no close": "close=0",
    "no images": "images=0",
    "slow reader": "read_delay=0.05",
    "slow session": "new_delay=0.5",
    "stays": "eof=stays,ignore_sigterm=1,grandchild=same_group",
    "farewell": "farewell=1,busy=displaced",
}


@pytest.mark.parametrize("words", WRINKLES.values(), ids=WRINKLES)
async def test_every_kind_of_agent_holds_a_conversation(tmp_path: Path, words: str) -> None:
    """A turn, one that remembers it, one that is left, and an end that leaves nothing."""
    with started(tmp_path, SERVE, ACP, LINGMA_SIMULATOR=f"first=0,gap=0,{words}") as gateway:
        first = await chat(gateway.port, "Hello there.")
        assert first.complete, gateway.log
        messages = [
            {"role": "user", "content": "Hello there."},
            {"role": "assistant", "content": first.text},
            {"role": "user", "content": "What did I say first?"},
        ]
        second = await chat(gateway.port, "", messages=messages)
        assert "“Hello there.”" in second.text
        assert not gateway.records[-1]["opens"]
        async with connected(gateway.port) as client:
            await client.ask(question(SILENT))
            await gateway.until(lambda: len(gateway.records) == 3)
        await gateway.until(lambda: gateway.records[-1]["kind"] == "stop")
        assert (await chat(gateway.port, "Are you well?")).complete
        pids = gateway.descendants
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.exit_status() == 0
        await gateway.until(lambda: not any(map(is_alive, pids)))


async def test_wrong_token_is_named(tmp_path: Path) -> None:
    """The answer says which settings hold it and never what it is, and neither does the log."""
    tokens = {"LINGMA_ACCOUNTS": "a:sk-right,b:sk-of-nobody-else"}
    with started(tmp_path, SERVE, ACP, LINGMA_SIMULATOR="first=0", **tokens) as gateway:
        await Fleet(gateway).until_ready(2)
        assert [each["state"] for each in (await gateway.stats())["instances"]] == ["ready"] * 2
    body = to_json({"model": "auto", "messages": [{"role": "user", "content": "Hello"}]})
    wrong = {"LINGMA_SIMULATOR": "first=0,token_at=new", "LINGMA_ACCOUNTS": "a:sk-of-nobody"}
    settings = ACP.settings(tmp_path, wrong)
    settings["ACP_COMMAND"] = settings["ACP_COMMAND"].replace("tokens=sk-of-nobody", "tokens=sk-right")
    with launched(tmp_path / "wrong", **settings) as gateway:
        await gateway.until(lambda: gateway.port != 0)
        refused = await fetch(gateway.port, "POST", "/v1/chat/completions", body)
        assert refused.status == 503
        assert b"ACP_TOKENS" in refused.body
        assert b"ACP_TOKEN_VARIABLE" in refused.body
        await gateway.until(lambda: "not a valid token" in gateway.log or "needs_login" in gateway.log)
        assert "sk-of-nobody" not in gateway.log
