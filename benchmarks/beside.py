"""The gateway beside itself, launched or logging otherwise, and beside a peer, in CPU.

Two servers take turns with the same questions, so that a busy minute hits both, and what is compared is the median of
what each used: a ratio that means something on a machine which others use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.clients import Plan
from benchmarks.figures import Row, Target
from benchmarks.processes import SESSIONS, Server, cpu_seconds, gateway, peer, run_clients
from benchmarks.scenarios import (
    BURST,
    BURST_DELTAS,
    MICRO,
    MILLI,
    PACED,
    PACED_DELTAS,
    PACED_SECONDS,
    SHORT,
    Stand,
)
from benchmarks.start import PROGRAMS, cost

TURNS = 5
"""How often two servers take turns; once in a quick run."""

HELP_TARGET = 0.3
LOG_TARGET = 3.0
PEER_SHORT_TARGET = 1.7
PEER_PACED_TARGET = 1.0
PEER_BURST_TARGET = 2.0
PEER_CLIENTS = 100
BURST_CLIENTS = 4


def short_plan(stand: Stand) -> Plan:
    """Short answers in one piece, one after another."""
    return Plan(SHORT, clients=1, answers=100 if stand.quick else 300, stream=False)


def paced_plan(stand: Stand) -> Plan:
    """Answers as a model sends them, to a hundred clients."""
    return Plan(PACED, clients=PEER_CLIENTS, answers=1 if stand.quick else 3, spread=PACED_SECONDS)


def start(stand: Stand) -> Iterator[Row]:
    """What the command line costs before it does anything."""
    del stand
    spent = min(cost(PROGRAMS["--help"]) for _ in range(TURNS)) / MILLI
    yield Row("lingma-trio --help, CPU s", gateway=spent, figure=spent, target=Target(HELP_TARGET))


def log(stand: Stand) -> Iterator[Row]:
    """What the log at INFO costs of a short answer."""
    with TemporaryDirectory(prefix="lingma-benchmark-") as place, ExitStack() as stack:
        told, quiet = (
            stack.enter_context(gateway(_room(place, level), log_level=level)) for level in ("INFO", "WARNING")
        )
        with stand.watched(told, quiet) as others:
            loud, silent = taking_turns(told, quiet, short_plan(stand), turns=TURNS if stand.quick else 2 * TURNS)
    share = 100 * (loud - silent) / loud
    yield Row(
        "the log at INFO, % of a short answer's CPU",
        gateway=share,
        figure=share,
        target=Target(LOG_TARGET),
        cpu=loud,
        cpu_unit="answer",
        others=others[0],
    )


def launches(stand: Stand) -> Iterator[Row]:
    """Both launches: what the edge spares of what Hypercorn takes."""
    with TemporaryDirectory(prefix="lingma-benchmark-") as place, ExitStack() as stack:
        ours, theirs = (
            stack.enter_context(gateway(_room(place, launch), launch=launch)) for launch in ("edge", "hypercorn")
        )
        for what, plan, units, unit in (
            ("a short answer", short_plan(stand), 1, "answer"),
            (f"a paced delta, {PEER_CLIENTS} clients", paced_plan(stand), PACED_DELTAS, "delta"),
        ):
            with stand.watched(ours, theirs) as others:
                edge, hypercorn = taking_turns(ours, theirs, plan, turns=1 if stand.quick else TURNS)
            yield Row(
                f"{what}, CPU us (figure: / under Hypercorn)",
                gateway=edge / units,
                figure=edge / hypercorn,
                cpu=edge / units,
                cpu_unit=unit,
                others=others[0],
            )


def beside_peer(stand: Stand) -> Iterator[Row]:
    """A peer that speaks the session dialect, and the gateway in it; nothing without `--peer`."""
    if not stand.peer:
        return
    with TemporaryDirectory(prefix="lingma-benchmark-") as place, ExitStack() as stack:
        ours: Server = stack.enter_context(gateway(_room(place, "ours"), knobs=SESSIONS))
        theirs = stack.enter_context(peer(stand.peer, Path(place) / "theirs"))
        turns = 1 if stand.quick else TURNS
        for what, plan, units, unit, target in (
            ("a short answer in a session of its own", short_plan(stand), 1, "answer", PEER_SHORT_TARGET),
            (f"a paced delta, {PEER_CLIENTS} clients", paced_plan(stand), PACED_DELTAS, "delta", PEER_PACED_TARGET),
        ):
            with stand.watched(ours, theirs) as others:
                here, there = taking_turns(ours, theirs, plan, turns=turns)
            yield Row(
                f"{what}, CPU us (figure: / peer's {there / units:,.0f})",
                gateway=here / units,
                figure=here / there,
                target=Target(target),
                cpu=here / units,
                cpu_unit=unit,
                others=others[0],
            )
        plan = Plan(BURST, clients=BURST_CLIENTS, answers=4 if stand.quick else 16)
        with stand.watched(ours, theirs) as others:
            rates = [[answers_a_second(server, plan) for server in (ours, theirs)] for _ in range(turns)]
            here, there = taking_turns(ours, theirs, plan, turns=turns)
        rate, other = (median(each) for each in zip(*rates, strict=True))
        yield Row(
            f"answers of {BURST_DELTAS} deltas a second, bursts (figure: / peer's {other:,.0f})",
            gateway=rate,
            figure=rate / other,
            target=Target(PEER_BURST_TARGET, ">="),
            others=others[0],
        )
        yield Row(
            f"an answer of {BURST_DELTAS} deltas at once, CPU us (figure: / peer's {there:,.0f})",
            gateway=here,
            figure=here / there,
            target=Target(1 / PEER_BURST_TARGET),
            cpu=here,
            cpu_unit="answer",
            others=others[0],
        )


def taking_turns(first: Server, second: Server, plan: Plan, *, turns: int) -> tuple[float, float]:
    """Microseconds of CPU that an answer of the plan costs each, the medians of so many turns."""
    for server in (first, second):
        spent(server, Plan(SHORT, clients=1, answers=20, stream=False))
    found = []
    for turn in range(turns):
        ours, theirs = (spent(server, plan) for server in ((first, second), (second, first))[turn % 2])
        found.append((ours, theirs) if turn % 2 == 0 else (theirs, ours))
    costs, others = zip(*found, strict=True)
    return median(costs), median(others)


def spent(server: Server, plan: Plan) -> float:
    """Microseconds of CPU for each answer of the plan."""
    before = cpu_seconds(server.pid)
    answers = _answers(server, plan)
    return (cpu_seconds(server.pid) - before) / len(answers) * MICRO


def answers_a_second(server: Server, plan: Plan) -> float:
    """How many answers of the plan came to their end in a second."""
    answers = _answers(server, plan)
    took = max(answer["ended"] for answer in answers) - min(answer["asked"] for answer in answers)
    return len(answers) / took


def _answers(server: Server, plan: Plan) -> list[dict[str, float]]:
    specification = {"kind": "http", "port": server.port, "plans": [asdict(plan)]}
    answers: list[dict[str, float]] = run_clients(specification)["answers"]
    if not all(answer["complete"] and answer["characters"] for answer in answers):
        raise SystemExit(f"{server.process.args!r} did not answer all questions")
    return answers


def _room(place: str, name: str) -> Path:
    room = Path(place) / name
    room.mkdir()
    return room
