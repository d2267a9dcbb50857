"""Measures what the gateway adds to an agent over ACP; run as `python -m benchmarks.acp [--agent NAME] [--quick]`.

Asks the same questions of the agent alone, on its pipes, and of the gateway that runs another such agent, in turn. The
simulator needs nothing; the others are those that `scripts/conformance acp` has installed, and ask a model of this
machine. Prints one table; the README beside this file says what it means.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from pydantic_core import from_json, to_json

from benchmarks.agent import Agent, Timed, alone
from benchmarks.clients import RESET, TEXT
from benchmarks.figures import Row, Target, percentile, table
from benchmarks.processes import CLIENT_CPU, POLL, ROOT, Gateway, pin, serving
from tests.end_to_end.gateway import descendants

KEY = "key-of-the-benchmark"
SIMULATOR = "simulator"
PATIENCE = 60.0  # seconds for a killed agent to be back

FIRST_TARGET = 3.0  # milliseconds added to the first text
CHUNK_TARGET = 0.5  # milliseconds added to each piece
CANCEL_TARGET = 50.0  # milliseconds from leaving to session/cancel in the agent's hands, p99
BACK_TARGET = 1.0  # seconds beyond the agent's own start
TURNS = 20
CANCELS = 40  # in each round
LEFT = "Who leaves first?\n#simulate deltas=2000 first=0 gap=0.02"
RECORD = "record.jsonl"
PINNED = ("taskset", "--cpu-list", str(min(CLIENT_CPU)))
"""Puts an agent where the clients are, whoever starts it: the gateway has a core of its own."""
UNLIMITED = {"GATEWAY_MAX_IN_FLIGHT": "0"}
TOGETHER = 8
TOGETHER_TARGET = 1.5  # times what the agent alone takes longer for eight than for one


@dataclass(frozen=True, slots=True)
class Questions:
    """What to ask an agent for a short answer, one of many pieces at once, and one of pieces that come slowly."""

    short: str
    burst: str
    slow: str


OF_SIMULATOR = Questions(
    "How do nurseries end?\n#simulate deltas=10 first=0 gap=0",
    "How do nurseries end?\n#simulate deltas=500 first=0 gap=0",
    "How do nurseries end?\n#simulate deltas=60 first=0.1 gap=0.05",
)
OF_MODEL = Questions("COUNT 10", "COUNT 500", "COUNT 60 SLOWLY")


@dataclass(frozen=True, slots=True)
class Kind:
    """An agent: its command, its token's variable and value, and what to ask it."""

    name: str
    command: tuple[str, ...]
    variables: dict[str, str]
    questions: Questions

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a gateway that runs it."""
        token = next(iter(self.variables.items()), None)
        login = {"ACP_TOKEN_VARIABLE": token[0], "ACP_TOKENS": f"main:{token[1]}"} if token else {}
        return {"LINGMA_UPSTREAM": "acp", "ACP_COMMAND": json.dumps(self.command), **login}


class Stand:
    """The gateway with its agent, and such an agent alone."""

    def __init__(self, kind: Kind, gateway: Gateway, agent: Agent, rounds: int) -> None:
        self.kind = kind
        self.gateway = gateway
        self.agent = agent
        self.rounds = rounds

    def compare(self, question: str, turns: int) -> tuple[list[Timed], list[Timed]]:
        """Put a question to both in turn, several times in a conversation each; returns the gateway's and the agent's.

        The first turn of each conversation opens a session and is left out.
        """
        served, floor = [], []
        for _ in range(self.rounds):
            session = self.agent.session()
            floor += [self.agent.ask({session: question})[0] for _ in range(turns + 1)][1:]
            served += self.converse(question, turns + 1)[1:]
        return served, floor

    def converse(self, question: str, turns: int) -> list[Timed]:
        """Ask the gateway a question again and again in one conversation, on one connection."""
        messages: list[Any] = []
        answers = []
        with closing(self._connection()) as connection:
            for _ in range(turns):
                messages.append({"role": "user", "content": question})
                answers.append(timed := Timed(time.monotonic()))
                said = ""
                for text in pieces(connection, messages):
                    timed.piece()
                    said += text
                messages.append({"role": "assistant", "content": said})
        return answers

    def leave(self, question: str) -> float:
        """Ask, leave at the first text with a reset, and return the monotonic time of that."""
        with closing(self._connection()) as connection:
            next(pieces(connection, [{"role": "user", "content": question}]))
            left = time.monotonic()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return left

    def _connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)

    @property
    def leader(self) -> int:
        """The pid of the gateway's agent, 0 where there is none."""
        homes = {f"HOME={path}".encode() for path in (self.gateway.directory / "work" / "acp").glob("*/config")}
        found = [pid for pid in descendants(self.gateway.pid) if homes & set(_environment(pid))]
        return found[1] if len(found) > 1 else 0


def pieces(connection: HTTPConnection, messages: list[Any]) -> Iterator[str]:
    """The pieces of the gateway's answer to a conversation."""
    body = to_json({"model": "auto", "stream": True, "messages": messages})
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    for line in connection.getresponse():
        if TEXT in line:
            yield from_json(line.removeprefix(b"data: "))["choices"][0]["delta"]["content"]
        elif b'"error"' in line:
            raise SystemExit(f"the gateway answers {line!r}")


def waits(stand: Stand) -> Iterator[Row]:
    """What is added to the first text of a turn that goes on in its session."""
    served, floor = stand.compare(stand.kind.questions.short, TURNS)
    gateway, alone_ = (percentile([each.wait for each in answers], 50) for answers in (served, floor))
    name = "first text p50 ms (figure: added)"
    yield Row(name, gateway, gateway - alone_, alone_, target=Target(FIRST_TARGET))


def chunks(stand: Stand) -> Iterator[Row]:
    """What is added to each piece of many that come at once; the gateway sends those that wait together as one."""
    served, floor = stand.compare(stand.kind.questions.burst, 3)
    pieces = max(answer.pieces for answer in floor)
    gateway, alone_ = (
        percentile([replace(answer, pieces=pieces).each for answer in answers], 50) for answers in (served, floor)
    )
    yield Row(
        f"each of {pieces} pieces, ms (figure: added)", gateway, gateway - alone_, alone_, target=Target(CHUNK_TARGET)
    )


def together(stand: Stand) -> Iterator[Row]:
    """How much longer eight at once take than one."""
    question = stand.kind.questions.slow
    one = stand.converse(question, 1)
    with ThreadPoolExecutor(TOGETHER) as pool:
        eight = [
            answer for answers in pool.map(stand.converse, [question] * TOGETHER, [1] * TOGETHER) for answer in answers
        ]
    alone_one = stand.agent.ask({stand.agent.session(): question})
    alone_eight = stand.agent.ask({stand.agent.session(): question for _ in range(TOGETHER)})
    gateway, floor = _length(eight) / _length(one), _length(alone_eight) / _length(alone_one)
    name = f"{TOGETHER} at once, times one (figure: times the agent's)"
    yield Row(name, gateway, gateway / floor, floor, target=Target(TOGETHER_TARGET))


def cancels(stand: Stand) -> Iterator[Row]:
    """From leaving an answer to `session/cancel` in the simulator's hands."""
    if stand.kind.name != SIMULATOR:
        return
    delays = []
    for number in range(1, CANCELS * stand.rounds + 1):
        left = stand.leave(LEFT)
        delays.append((_cancels(stand, number)[-1] - left) * 1e3)
    for percent, target in ((50, None), (99, Target(CANCEL_TARGET))):
        figure = percentile(delays, percent)
        yield Row(f"left until session/cancel, p{percent} ms", figure, figure, target=target)


def kills(stand: Stand) -> Iterator[Row]:
    """How long an agent that is killed is away, beyond the time that it needs to start.

    Once only: of lives that are killed one after the other each next one is waited longer for, as it should be.
    """
    leader, killed = stand.leader, time.monotonic()
    os.kill(leader, signal.SIGKILL)
    while not (stand.leader not in {0, leader} and stand.gateway.ready):
        if time.monotonic() > killed + PATIENCE:
            raise SystemExit("the killed agent does not come back")
        time.sleep(POLL)
    back, started = time.monotonic() - killed, stand.agent.started
    yield Row(
        "killed until ready, s (figure: beyond its start)", back, back - started, started, target=Target(BACK_TARGET)
    )


SCENARIOS = {"waits": waits, "chunks": chunks, "together": together, "cancels": cancels, "kills": kills}


@contextmanager
def agent_of(name: str, directory: Path) -> Iterator[Kind]:
    """The agent of that name for the length of the block, with the model that it asks."""
    if name == SIMULATOR:
        command = (sys.executable, "-m", "lingma_trio.simulator", "acp", "--knob", f"record={directory / RECORD}")
        yield Kind(name, (*PINNED, "env", f"PYTHONPATH={ROOT}", *command), {}, OF_SIMULATOR)
        return
    os.environ.setdefault("NODE_CLIENTS", str(ROOT / ".cache" / "conformance"))
    agents, models = import_module("tests.conformance.acp_agents"), import_module("tests.conformance.model")
    with models.model() as model:
        settings = agents.AGENTS[name].settings(agents.Setup(directory, model.origin), ["token"])
        command = (*PINNED, *from_json(settings["ACP_COMMAND"]))
        yield Kind(name, command, {settings["ACP_TOKEN_VARIABLE"]: "token"}, OF_MODEL)


@click.command()
@click.option("--agent", "name", default=SIMULATOR, show_default=True, help="Or gemini-cli, opencode, codex-acp.")
@click.option("--quick", is_flag=True, help="One round: coarse.")
@click.option("--rounds", default=5, show_default=True, help="How often both take turns.")
@click.option("--only", multiple=True, type=click.Choice(list(SCENARIOS)), help="May be repeated.")
def main(*, name: str, quick: bool, rounds: int, only: tuple[str, ...]) -> None:
    """Measure, and print the table; the exit status is 1 where a target is missed."""
    rows = []
    pin(os.getpid(), CLIENT_CPU)
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="lingma-benchmark-")))
        kind = stack.enter_context(agent_of(name, directory))
        agent = stack.enter_context(alone(kind.command, kind.variables, directory / "alone"))
        settings = {**kind.settings, "API_KEYS": KEY, "LINGMA_WORK_DIR": str(directory / "work"), **UNLIMITED}
        gateway = stack.enter_context(serving(directory, settings))
        stand = Stand(kind, gateway, agent, rounds=1 if quick else rounds)
        for each in only or SCENARIOS:
            click.echo(f"{each} ...", err=True)
            rows += list(SCENARIOS[each](stand))
    click.echo(f"{name}, {os.cpu_count()} CPUs; load {load:.1f}, at the end {os.getloadavg()[0]:.1f}\n")
    click.echo(table(rows, floor="agent"))
    sys.exit(any(row.target is not None and not row.target.is_met(row.figure) for row in rows))


def _length(answers: Sequence[Timed]) -> float:
    return max(answer.last for answer in answers) - min(answer.asked for answer in answers)


def _cancels(stand: Stand, number: int) -> list[float]:
    """The times of the cancels that the gateway's simulator read, once there are so many."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        lines = (stand.gateway.directory / RECORD).read_bytes().rpartition(b"\n")[0].splitlines()
        found = [entry["at"] for entry in map(from_json, lines) if entry.get("method") == "session/cancel"]
        if len(found) == number:
            return found
        time.sleep(POLL)
    raise SystemExit("a session/cancel is missing")


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


if __name__ == "__main__":
    main()
