"""Plays one of the plays under a seed, and judges what became of it."""

from __future__ import annotations

import random
from collections import Counter

import trio

from tests.simnet.clients import Outcome
from tests.simnet.network import Network
from tests.simnet.plays import PLAYS, REFUSES, SPEAKING, UNTOUCHED, Cut, Dialect, Play, Stage, attack
from tests.simnet.world import open_world
from tests.simnet.wrongs import RIGHT, Wrong
from tests.sweep import running_tasks

STARTED = 3.0  # seconds after which everybody is there
CALM = 60.0  # seconds after which nothing is left, whatever died
SOON = 0.1  # seconds until upstream has heard that it is to stop, and less than until an answer's next piece
STEP = 1.0  # seconds between two looks
NOTICED = 30.0  # seconds in which everybody notices that a connection says nothing any more
SLOWEST = 0.001  # seconds that a packet takes within a machine

FAILURES = frozenset(
    {
        "content_filter",
        "login_required",
        "queue_timeout",
        "request_timeout",
        "shutting_down",
        "upstream_answer_malformed",
        "upstream_answer_too_long",
        "upstream_empty_answer",
        "upstream_error",
        "upstream_lost",
        "upstream_quota_exceeded",
        "upstream_rate_limited",
        "upstream_rejected",
        "upstream_timeout",
        "upstream_unavailable",
    }
)
"""The codes of all failures that a client may see of whatever goes wrong with who answers."""


async def play(chance: random.Random, name: str, dialect: Dialect, wrong: Wrong = RIGHT, cut: Cut = UNTOUCHED) -> int:
    """Play it, with its one request wronged and cut; returns how many steps were taken while it was under way."""
    it = PLAYS[name]
    made, speaking = SPEAKING[dialect]
    words = [(*speaking, *(each if dialect != "acp" or each != REFUSES else ()), *wrong.process) for each in it.words]
    async with open_world(chance, Network(chance, slowest=SLOWEST, lost=0)) as world:
        stage = Stage(world, await world.open_alone(*words, made=made, slots=it.slots))
        await trio.sleep(STARTED)
        tasks = _names()
        if not await _prepared(stage, it, wrong):
            return 0
        talk = stage.talk
        hits, asked = talk.hits, (_asked_again(stage), _questions(stage))
        question = f"and now, at {trio.current_time():.6f}"
        talk.words = (*it.asks, *wrong.answer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(it.beside, stage)
            outcome, steps = await attack(stage, question, cut)
            nursery.cancel_scope.cancel("the request is over")
        if outcome.kind == "answered" and outcome.whole and not it.called and wrong.proves:
            talk.take(question, outcome)
        if not wrong:
            _judge(it, outcome, hit=talk.hits > hits, claimed=_asked_again(stage) > asked[0])
        assert outcome.code in {"", "cut", *FAILURES, *it.wronged}, outcome
        _nothing_held(stage)
        if outcome.code == "cut" and not wrong:
            await trio.sleep(SOON)
            assert not any(machine.active for machine in world.machines), "upstream was not told to stop"
        await _calm(stage, tasks, wrong)
        if not it.over and not wrong.process:
            unasked = it.hits is True and outcome.code == "cut" and (_asked_again(stage), _questions(stage)) == asked
            await _go_on(stage, it, wrong)
            assert talk.hits > hits or not unasked, "a session that was not asked is still there"
        return steps


async def _go_on(stage: Stage, it: Play, wrong: Wrong) -> None:
    """The conversation is gone on with once nothing is wrong any longer, at the latest when everybody has noticed."""
    stage.talk.words = ()
    last = await stage.talk.go_on(stage.gateway, stream=False)
    for _ in range(5 if wrong else 0):
        if last.kind == "answered":
            return
        await trio.sleep(NOTICED)
        last = await stage.talk.go_on(stage.gateway, stream=False)
    # Who was told that it is not signed in waits for somebody, and some are never right in this play.
    excused = bool(wrong) and (last.code == "login_required" or any(it.words))
    assert last.kind == "answered" or (excused and last.code in FAILURES) or last.code in it.wronged, last


async def _prepared(stage: Stage, it: Play, wrong: Wrong) -> bool:
    """Do what comes before; returns whether it worked, as it has to where nothing is wrong from the start."""
    try:
        await it.before(stage)
    except AssertionError:
        if not wrong.process:
            raise
        return False
    return True


def _judge(it: Play, outcome: Outcome, *, hit: bool, claimed: bool) -> None:
    if outcome.code == "cut":
        return
    if outcome.kind != "answered":
        assert outcome.code in it.fails, outcome
        return
    assert outcome.whole, outcome
    assert bool(outcome.calls) == it.called, outcome
    assert it.called or it.hits in {None, hit}, "answered in the wrong session"
    # A session that begins with the newest question may hold all before it in that one, and may hold nothing of it.
    assert it.hits in {None, claimed} or REFUSES in it.words, "taken for the session of the conversation"


def _asked_again(stage: Stage) -> int:
    """How often a question was put to a session that held the rest."""
    book = stage.gateway.book
    return book.hits + book.misses["refused"]


def _questions(stage: Stage) -> int:
    """How many questions upstream has heard."""
    return sum(machine.questions for machine in stage.world.machines)


def _nothing_held(stage: Stage) -> None:
    """What a request had is free the moment that it is over."""
    services = stage.gateway.services
    assert (services.limiter.counts.in_flight, services.limiter.counts.queued) == (0, 0), services.limiter
    assert services.byte_budget.held == 0
    assert len(services.underway) == 0
    assert [each.seats for each in services.pool.instances] == [0, 0]
    assert [each.turns for each in services.pool.instances] == [0, 0]


def _names() -> Counter[str]:
    """How many tasks there are by what they do; a life has a number, which says nothing of that."""
    return Counter(task.name.rstrip("0123456789 ") for task in running_tasks())


async def _calm(stage: Stage, tasks: Counter[str], wrong: Wrong) -> None:
    """Wait until nothing is left, which is soon."""
    with trio.move_on_after(CALM):
        while _left(stage, tasks, wrong):  # noqa: ASYNC110 - whatever is over is over without a word
            await trio.sleep(STEP)
    assert not (left := _left(stage, tasks, wrong)), left


def _spare(stage: Stage) -> int:
    """Sessions of agents that are kept for whoever comes next."""
    channels = [each.lives.present.channel for each in stage.gateway.services.pool.instances]
    return sum("spare=True" in repr(channel.sessions) for channel in channels if channel is not None)


def _left(stage: Stage, tasks: Counter[str], wrong: Wrong) -> list[object]:
    world, book = stage.world, stage.gateway.book
    found: list[object] = [machine for machine in world.machines if machine.active]
    if wrong.process:
        return found
    if not wrong and sum(len(machine.open_sessions) for machine in world.machines) > len(book) + _spare(stage):
        found.append("a session that nobody can go on with")
    return found + list((_names() - tasks).items())
