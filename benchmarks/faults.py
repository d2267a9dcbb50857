"""Faults of Lingma's that one client may bring about, and what they cost the others.

Each needs something of the simulator that `benchmarks.upstream` gives it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from signal import SIGKILL

from benchmarks.attacker import OTHER_KEY, PATIENCE, Act, Answers, Gateway, at_once, chat

QUICK = "Hi\n#simulate first=0 gap=0"


def forbidden(gateway: Gateway) -> Act:
    """Five times 403 for one client's model, and twenty questions of another key for another model."""
    body = chat("Go.\n#simulate first=0 gap=0 status=403")
    others = chat("Hi\n#simulate first=0 gap=0", model="dashscope_qwen3_coder")

    def act() -> Answers:
        told = at_once(*[lambda: "attack: " + gateway.call("/v1/chat/completions", body)[0]] * 5)
        for _ in range(20):
            answer, _ = gateway.call("/v1/chat/completions", others, key=OTHER_KEY)
            told[f"others: {answer}"] += 1
        return told

    return act


def kills(gateway: Gateway) -> Act:
    """30 clients while every four seconds one of three Lingmas is killed."""

    def act() -> Answers:
        told: Answers = Counter()
        over = time.monotonic() + 60

        def ask() -> str:
            while time.monotonic() < over:
                told[gateway.call("/v1/chat/completions", chat("Hi\n#simulate first=0.2 gap=0.02 deltas=20"))[0]] += 1
            return ""

        def kill() -> str:
            for number in range(14):
                time.sleep(4)
                files = sorted(gateway.directory.glob("lingma-simulator-*/*/.info"))
                with suppress(OSError, IndexError):
                    os.kill(int(files[number % len(files)].read_text().split()[1]), SIGKILL)
            return ""

        at_once(*[ask] * 30, kill)
        return told

    return act


def too_many(gateway: Gateway) -> Act:
    """Five times 429 at once, which beside others means too many at once, and questions of another key."""
    body = chat("Go.\n#simulate first=0 gap=0 status=429")

    def act() -> Answers:
        over = time.monotonic() + PATIENCE
        told: Answers = Counter()

        def refused() -> str:
            return "attack: " + gateway.call("/v1/chat/completions", body)[0]

        def others() -> str:
            time.sleep(2)
            for _ in range(20):
                left = max(over - time.monotonic(), 0.1)
                answer, _ = gateway.call("/v1/chat/completions", chat(QUICK), key=OTHER_KEY, patience=left)
                told[f"others: {answer}"] += 1
            return ""

        answers = at_once(*[refused] * 5, others)
        return told + answers - Counter([""])

    return act


def refused_looks(gateway: Gateway) -> Act:
    """Half a minute in which each `auth/status` is answered by an error, as `benchmarks.upstream` has it."""
    return lambda: ask_on(gateway, seconds=30)


def late_looks(gateway: Gateway) -> Act:
    """The same, where none is answered at all."""
    return lambda: ask_on(gateway, seconds=30)


def ask_on(gateway: Gateway, *, seconds: float) -> Answers:
    """A question a second."""
    told: Answers = Counter()
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        told[gateway.call("/v1/chat/completions", chat(QUICK))[0]] += 1
        time.sleep(1)
    return told


def unanswering(gateway: Gateway) -> Act:
    """Twelve questions of twelve users, where one of two Lingmas takes each and never says a word."""

    def act() -> Answers:
        return Counter(gateway.call("/v1/chat/completions", chat(QUICK, user=f"user {n}"))[0] for n in range(12))

    return act


def stray_errors(gateway: Gateway) -> Act:
    """Ten turns that are given up, each followed by an error that names no request."""
    body = chat("Go on.\n#simulate first=0 gap=0.1 deltas=5000 stop=error", stream=True)

    def act() -> Answers:
        for _ in range(10):
            with gateway.begun("/v1/chat/completions", body) as connection:
                heard = b""
                while b"data: " not in heard:
                    heard += connection.recv(4096)
            time.sleep(1)
        return Counter(left=10)

    return act


FAULTS = (forbidden, too_many, refused_looks, late_looks, unanswering, stray_errors, kills)
