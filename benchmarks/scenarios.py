"""What is measured: each scenario puts the same questions to the gateway and to both floors, and makes rows of it."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from typing import Any, Literal, TypeAlias

from pydantic_core import from_json, to_json

from benchmarks.clients import KEY, TEXT, Plan, request
from benchmarks.figures import Row, Target, percentile
from benchmarks.processes import Gateway, Server, cpu_seconds, machine_seconds, run_clients

Name: TypeAlias = Literal["gateway", "simulator", "bare"]

PACED = "How do nurseries end?\n#simulate deltas=50 first=0.3 gap=0.02"
PACED_DELTAS = 50
PACED_SECONDS = 1.28
PACED_TARGETS = {100: {50: 5, 99: 15}, 400: {50: 40}}  # added milliseconds, by clients and percentile
PACED_CPU = 100  # clients, for whom a delta's CPU has a target
PACED_CPU_TARGET = 0.6

BURST = "How do nurseries end?\n#simulate deltas=500 first=0 gap=0"
BURST_DELTAS = 500
BURST_CLIENTS = (1, 4, 16)

SHORT = "How do nurseries end?\n#simulate deltas=10 first=0 gap=0"
SHORT_CPU_TARGET = 1.0

LIVE = "How do nurseries end?\n#simulate deltas=200 first=0.1 gap=1"
LIVE_STREAMS = 200
IDLE_TARGET = 60
LIVE_TARGET = 40

TURNS = 20
TURN_TARGET = 1.05

LEAVERS = "Who leaves first?\n#simulate deltas=2000 first=0.05 gap=0.02"
LEAVERS_LENGTH = 1000  # longer than any other question, so that the simulator's record tells who is who
STOP_TARGET = 50

MILLI = 1e3
MICRO = 1e6


@dataclass(slots=True)
class Sample:
    """Answers of one target over several rounds, and what they cost."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0

    def waits(self, end: Literal["first", "ended"]) -> list[float]:
        """Milliseconds from the question to the first text, or to the end."""
        return [(answer[end] - answer["asked"]) * MILLI for answer in self.answers]

    def rate(self, deltas: int) -> float:
        """Deltas per second."""
        return len(self.answers) * deltas / self.seconds

    def cost(self, units: int = 1) -> float:
        """Microseconds of CPU for each of the `units` that an answer has."""
        return self.cpu / (len(self.answers) * units) * MICRO


@dataclass(slots=True)
class Stand:
    """The servers under measurement, and how often each scenario is repeated."""

    gateway: Gateway
    bare: Server
    rounds: int
    quick: bool
    peer: str = ""

    def compare(self, plan: Plan) -> tuple[dict[Name, Sample], float]:
        """Put the plan to all three in turn, several times over; returns the samples and what others used meanwhile."""
        samples: dict[Name, Sample] = {"gateway": Sample(), "simulator": Sample(), "bare": Sample()}
        with self.watched() as others:
            for each in range(self.rounds):
                names = list(samples)
                for name in names[each % 3 :] + names[: each % 3]:
                    self._add(samples[name], name, plan)
        lengths = {answer["characters"] for name in ("gateway", "simulator") for answer in samples[name].answers}
        if len(lengths) != 1 or not all(answer["complete"] for each in samples.values() for answer in each.answers):
            raise SystemExit(f"answers are not what they should be: {lengths} characters")
        return samples, others[0]

    @contextmanager
    def watched(self, *servers: Server) -> Iterator[list[float]]:
        """Measure what others use during the block, these servers aside, in cores; the list has it at the end."""
        others: list[float] = []
        began, used = time.monotonic(), machine_seconds() - self._own_seconds(servers)
        yield others
        others.append((machine_seconds() - self._own_seconds(servers) - used) / (time.monotonic() - began))

    def _add(self, sample: Sample, name: Name, plan: Plan) -> None:
        ports: dict[Name, int] = {
            "gateway": self.gateway.port,
            "simulator": self.gateway.info[0],
            "bare": self.bare.port,
        }
        pids: dict[Name, int] = {
            "gateway": self.gateway.pid,
            "simulator": self.gateway.info[1],
            "bare": self.bare.pid,
        }
        before = cpu_seconds(pids[name])
        kind = "websocket" if name == "simulator" else "http"
        answers = run_clients({"kind": kind, "port": ports[name], "plans": [asdict(plan)]})["answers"]
        sample.cpu += cpu_seconds(pids[name]) - before
        sample.seconds += max(answer["ended"] for answer in answers) - min(answer["asked"] for answer in answers)
        sample.answers += answers

    def _own_seconds(self, more: Sequence[Server]) -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        pids = {self.gateway.pid, self.gateway.info[1], self.bare.pid}
        for server in more:
            pids.add(server.pid)
            if isinstance(server, Gateway):
                pids.add(server.info[1])
        return time.process_time() + ended.ru_utime + ended.ru_stime + sum(map(cpu_seconds, pids))


def memory(stand: Stand) -> Iterator[Row]:
    """What the gateway holds idle, and for each live stream.

    Comes first: memory that a burst leaves free would be used again unseen.
    """
    yield Row(
        "idle, resident MB",
        gateway=stand.gateway.resident / 1e6,
        bare=stand.bare.resident / 1e6,
        figure=stand.gateway.resident / 1e6,
        target=Target(IDLE_TARGET),
    )
    with stand.watched() as others:
        sizes = {server: _per_stream(server) for server in (stand.gateway, stand.bare)}
    yield Row(
        f"each of {LIVE_STREAMS} live streams, resident kB",
        gateway=sizes[stand.gateway],
        bare=sizes[stand.bare],
        figure=sizes[stand.gateway],
        target=Target(LIVE_TARGET),
        others=others[0],
    )


def _per_stream(server: Server) -> float:
    run_clients({"kind": "http", "port": server.port, "plans": [asdict(Plan(SHORT, clients=4, answers=10))]})
    before = server.resident
    with ExitStack() as streams:
        opened = [
            streams.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(LIVE_STREAMS)
        ]
        for stream in opened:
            stream.sendall(request(_body(LIVE)))
        for stream in opened:
            data = b""
            while TEXT not in data:
                data += stream.recv(65536)
        time.sleep(1)  # every stream passes another delta on
        return (server.resident - before) / LIVE_STREAMS / 1e3


def paced(stand: Stand) -> Iterator[Row]:
    """Answers as a model sends them: how much later the first text comes than straight from the simulator."""
    for clients, targets in PACED_TARGETS.items():
        plan = Plan(PACED, clients=clients, answers=2 if stand.quick else 4, spread=PACED_SECONDS)
        samples, others = stand.compare(plan)
        for percent in (50, 99):
            waits = {name: percentile(sample.waits("first"), percent) for name, sample in samples.items()}
            yield Row(
                f"{clients} paced, first text p{percent} ms (figure: added)",
                gateway=waits["gateway"],
                simulator=waits["simulator"],
                bare=waits["bare"],
                figure=waits["gateway"] - waits["simulator"],
                target=Target(targets[percent]) if percent in targets else None,
                others=others,
            )
        ours, bare = (samples[name].cost(PACED_DELTAS) for name in ("gateway", "bare"))
        yield Row(
            f"{clients} paced, CPU us of a delta (figure: / bare)",
            gateway=ours,
            bare=bare,
            figure=ours / bare,
            target=Target(PACED_CPU_TARGET) if clients == PACED_CPU else None,
            others=others,
        )


def bursts(stand: Stand) -> Iterator[Row]:
    """Answers without delay, end to end."""
    for clients in BURST_CLIENTS:
        total = 16 if stand.quick else 64
        samples, others = stand.compare(Plan(BURST, clients=clients, answers=total // clients))
        rates = {name: sample.rate(BURST_DELTAS) for name, sample in samples.items()}
        yield Row(
            f"{clients} in bursts, deltas/s",
            gateway=rates["gateway"],
            simulator=rates["simulator"],
            bare=rates["bare"],
            figure=rates["gateway"],
            cpu=samples["gateway"].cost(BURST_DELTAS),
            bare_cpu=samples["bare"].cost(BURST_DELTAS),
            cpu_unit="delta",
            others=others,
        )


def short_answers(stand: Stand) -> Iterator[Row]:
    """Short answers in one piece, one after another."""
    plan = Plan(SHORT, clients=1, answers=100 if stand.quick else 300, stream=False)
    samples, others = stand.compare(plan)
    waits = {name: percentile(sample.waits("ended"), 50) for name, sample in samples.items()}
    yield Row(
        "short answer, not streamed, p50 ms (figure: added)",
        gateway=waits["gateway"],
        simulator=waits["simulator"],
        bare=waits["bare"],
        figure=waits["gateway"] - waits["simulator"],
        others=others,
    )
    ours, bare = (samples[name].cost() for name in ("gateway", "bare"))
    yield Row(
        "short answer, CPU us (figure: / bare)",
        gateway=ours,
        bare=bare,
        figure=ours / bare,
        target=Target(SHORT_CPU_TARGET),
        others=others,
    )


def conversation(stand: Stand) -> Iterator[Row]:
    """One conversation of many turns: what each sends upstream."""
    messages: list[dict[str, str]] = []
    connection = HTTPConnection("127.0.0.1", stand.gateway.port, timeout=30)
    for turn in range(TURNS):
        messages.append({"role": "user", "content": f"Turn {turn:02}: how do nurseries end?\n#simulate first=0 gap=0"})
        body = to_json({"model": "org_auto", "messages": messages})
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {KEY}"})
        answer = from_json(connection.getresponse().read())
        messages.append(answer["choices"][0]["message"])
    connection.close()
    sent = [record["length"] for record in stand.gateway.records if record["kind"] == "ask"][-TURNS:]
    yield Row(
        f"characters sent upstream, turn {TURNS} (figure: against turn 2's {sent[1]})",
        gateway=sent[-1],
        figure=sent[-1] / sent[1],
        target=Target(TURN_TARGET),
    )


def departures(stand: Stand) -> Iterator[Row]:
    """Clients that leave in mid-stream, half with a FIN and half with a RST, while others are being served."""
    leavers, spread = (100, 5.0) if stand.quick else (400, 20.0)
    plans = [
        Plan(PACED, clients=100, answers=round((spread + 2) / PACED_SECONDS), spread=PACED_SECONDS),
        Plan(LEAVERS, clients=leavers, spread=spread, leave_after=0.2, padding=LEAVERS_LENGTH),
    ]
    with stand.watched() as others:
        before = cpu_seconds(stand.gateway.pid)
        report = run_clients({"kind": "http", "port": stand.gateway.port, "plans": map(asdict, plans)})
        cpu = cpu_seconds(stand.gateway.pid) - before
    left = {answer["length"]: answer["ended"] for answer in report["answers"] if answer["plan"] == 1}
    waits = _until_stopped(stand.gateway.records, left)
    if len(waits) != leavers:
        raise SystemExit(f"{leavers} clients left and {len(waits)} answers were stopped")
    for percent, target in ((50, None), (99, Target(STOP_TARGET))):
        wait = percentile(waits, percent)
        yield Row(
            f"client gone until Lingma reads chat/stop, p{percent} ms, 100 paced beside",
            gateway=wait,
            figure=wait,
            target=target,
            cpu=cpu / len(report["answers"]) * MICRO,
            cpu_unit="answer",
            others=others[0],
        )


def _until_stopped(records: Sequence[dict[str, Any]], left: dict[int, float]) -> list[float]:
    """Milliseconds from a client's leaving to the stop's arrival; `left` has the times by the questions' lengths."""
    asked = {
        record["requestId"]: left[record["length"]]
        for record in records
        if record["kind"] == "ask" and record["length"] in left
    }
    return [
        record["time"] / MICRO - asked[record["requestId"]] * MILLI
        for record in records
        if record["kind"] == "stop" and record["requestId"] in asked
    ]


def _body(question: str) -> bytes:
    return to_json({"model": "org_auto", "stream": True, "messages": [{"role": "user", "content": question}]})


SCENARIOS = {
    "memory": memory,
    "paced": paced,
    "bursts": bursts,
    "short": short_answers,
    "conversation": conversation,
    "departures": departures,
}
