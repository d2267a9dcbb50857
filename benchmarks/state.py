"""Measures what a request waits for the store that gateways share, at a real server on this machine.

Run as `python -m benchmarks.state` in the project's environment; `scripts/servers` finds or fetches the server. Prints
milliseconds: the claim of a session, and the trips of a request whose key is limited in all that a key can be and whose
answer is kept. The scripts and what they are given are those of the gateway. The exit status is 1 where a target is
missed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from lingma_trio.policy.response_store import Encoded, StoredResponse
from lingma_trio.policy.state_address import parse_state_address
from lingma_trio.sessions.book import Session
from lingma_trio.state.link import StoreLink, kept
from lingma_trio.state.rates import Limits
from lingma_trio.state.rates_store import dues_call
from lingma_trio.state.responses_store import StoreResponses
from lingma_trio.state.sessions_calls import Bounds, claim_call, commit_call, read_claim, read_reply
from lingma_trio.state.wire import link_to
from tests.conversations import held
from tests.real_store import RealServer

ROUNDS = 2000
CLIENTS = 50
CLAIM_TARGET = 1.0
REQUEST_TARGET = 2.5
BOUNDS = Bounds(max_entries=100_000, ttl=1800)
MANY = 10_000_000  # of what a key may use in a minute: nobody is refused here
BODY = b'"' + 2000 * b"x" + b'"'

Step = Callable[[int], Awaitable[None]]


async def commit(link: StoreLink, number: int) -> None:
    """Remember one conversation."""
    session = Session(f"s-{number}", "lingma-0", "life", "ann")
    await link.trip(commit_call(BOUNDS, held(f"question {number}", "answer"), session, ""))


async def claim(link: StoreLink, number: int) -> None:
    """Lease what was remembered of it."""
    (reply,) = await link.trip(claim_call(BOUNDS, held(f"question {number}", "answer"), f"token-{number}"))
    _demand_hit(reply)


async def serve(link: StoreLink, responses: StoreResponses, number: int) -> None:
    """All trips of one request: its bucket; place, tokens and claim; what it used, its session and its response."""
    limits = Limits("ann", requests=MANY, tokens=MANY, places=MANY)
    name = f"place-{number}"
    await link.trip(dues_call(limits, "requests", limits.requests, 1, "asked"))
    entry = dues_call(limits, "tokens", limits.tokens, 500, "asked", name=name)
    _, reply = await link.trip(entry, claim_call(BOUNDS, held(f"question {number}", "answer"), f"token-{number}"))
    _demand_hit(reply)
    session = Session(f"s-{number}", "lingma-0", "life", "ann")
    longer = held(f"question {number}", "answer", "and then", "another")
    left = dues_call(limits, "tokens", limits.tokens, 300, "owed", name=name)
    await link.trip(left, commit_call(BOUNDS, longer, session, ""))
    told = Encoded(b'{"output":[', ((f"out_{number}", BODY),), b"]}")
    await responses.put("ann", f"resp_{number}", StoredResponse(((f"in_{number}", BODY),), told, None))


def _demand_hit(reply: list[object]) -> None:
    if isinstance(read_claim(read_reply(reply)), str):
        raise SystemExit("a claim found nothing, so the times mean nothing")


async def timed(step: Step, *, clients: int = 1) -> tuple[float, float]:
    """Milliseconds of a step, p50 and p99, that so many take at once."""
    times: list[float] = []
    numbers = iter(range(ROUNDS))

    async def client() -> None:
        for number in numbers:
            began = time.perf_counter()
            await step(number)
            times.append((time.perf_counter() - began) * 1000)

    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(client)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


async def measure(url: str) -> bool:
    """Print the table; returns whether the targets are met."""
    link = link_to(parse_state_address(url), "benchmark")
    if link is None:
        raise SystemExit("there is no store")
    async with kept(link):
        responses = StoreResponses(link, max_entries=1000, max_bytes=2**26, ttl=86400)

        async def remember(number: int) -> None:
            await commit(link, number)

        async def take(number: int) -> None:
            await claim(link, number)

        async def whole(number: int) -> None:
            await serve(link, responses, number)

        sys.stdout.write(f"{'what':<44}{'p50 ms':>8}{'p99 ms':>8}{'target':>8}\n")
        met = True
        for name, step, clients, target in (
            ("claim, one client", take, 1, CLAIM_TARGET),
            (f"claim, {CLIENTS} clients", take, CLIENTS, None),
            ("all trips of a request, one client", whole, 1, REQUEST_TARGET),
            (f"all trips of a request, {CLIENTS} clients", whole, CLIENTS, None),
        ):
            await timed(remember)
            middle, late = await timed(step, clients=clients)
            met = met and (target is None or middle <= target)
            sys.stdout.write(f"{name:<44}{middle:>8.2f}{late:>8.2f}{f'<= {target:g}' if target else '':>8}\n")
    return met


def main() -> None:
    """Measure at a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = RealServer(Path(folder) / "store")
        server.start()
        try:
            met = trio.run(measure, server.url)
        finally:
            server.stop()
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
