"""A chaos run from its beginning to its end: clients ask, things die, then everything has to be as it was.

Knows what is started when, and what is to be looked at afterwards. Must not know how anything is asked or broken.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from tests.chaos.logins import sent_away
from tests.chaos.machine import machine
from tests.chaos.remains import complete, holdings, secrets_of_children, secrets_shown
from tests.chaos.scene import FICKLE, INSTANCES, KEYS, Scene, allow_cores, scene
from tests.chaos.surfaces import OK, SURFACES
from tests.chaos.talks import NOBODY, VISIBLE, Talker, look
from tests.chaos.troubles import TROUBLES, Trouble
from tests.scaled.cluster import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.remains import Holdings

SETTLING: Final = 90.0
"""Seconds within which every instance is ready again: the longest pause between two lives is 60."""

LAST_LIFE: Final = 0.4
"""The part of a run in which the gateway is not ended any more, so that what its last life leaves behind is seen."""

LOOKERS: Final = 0.1
"""The share of clients that look at pages instead of talking."""

PAUSE: Final = 1.0  # seconds between two questions of a client, on the average


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, by how many clients, and by which seed."""

    seconds: float
    clients: int
    seed: int
    dialect: str
    """Which of Lingma's two protocols the simulators speak: `chat` or `session`."""


async def play(directory: Path, plan: Plan, tell: Callable[[str], None], *, alone: bool) -> Scene:
    """Play it in a directory, which is made; what was found is in the scene's `findings`, and told as soon as it is."""
    allow_cores()
    with machine(directory / "disk", alone=alone) as ground:
        for what, reason in ground.lacks.items():
            tell(f"LEFT OUT  {what}: {reason}")
        played = scene(directory, ground, plan.dialect, plan.seed, tell)
        try:
            await played.start()
            await _until_settled(played)
            await trio.sleep(1)
            fresh = await holdings(played)
            await _trouble(played, plan)
            await _look_after(played, fresh)
            await _stop(played)
        finally:
            played.role.server.kill()
        return played


async def _trouble(played: Scene, plan: Plan) -> None:
    """Have clients ask and things die; the clients go on until the last trouble is mended, and finish what they ask."""
    over = trio.Event()
    chances = [random.Random(f"{plan.seed} client {number}") for number in range(plan.clients)]
    trouble = Trouble(played, random.Random(f"{plan.seed} trouble"))
    lookers = max(1, round(plan.clients * LOOKERS))
    async with trio.open_nursery() as clients:
        for number, chance in enumerate(chances):
            if number < lookers:
                clients.start_soon(_look_on, played, chance, over, name=f"looker {number}")
            else:
                clients.start_soon(_talk_on, played, number, chance, over, name=f"talker {number}")
        async with trio.open_nursery() as troubles:
            end = trio.current_time() + plan.seconds
            while trio.current_time() < end:
                is_last_life = trio.current_time() > end - plan.seconds * LAST_LIFE
                await played.see_to_the_gateway()
                troubles.start_soon(partial(trouble.make, ends_gateway=not is_last_life), name="trouble")
                await trio.sleep(1)
        over.set()


async def _talk_on(played: Scene, number: int, chance: random.Random, over: trio.Event) -> None:
    key = FICKLE if number % 16 == 15 else KEYS[number % len(KEYS)]
    talker = Talker(f"client {number}", key, SURFACES[number % len(SURFACES)], chance)
    while not over.is_set():
        said = await talker.ask(played)
        await _pause(chance, over, PAUSE * (3 if said.outcome == NOBODY else 1))


async def _look_on(played: Scene, chance: random.Random, over: trio.Event) -> None:
    while not over.is_set():
        await look(played, chance)
        for found in secrets_of_children(played):
            played.find(found)
        await _pause(chance, over)


async def _pause(chance: random.Random, over: trio.Event, seconds: float = PAUSE) -> None:
    with trio.move_on_after(chance.expovariate(1 / seconds)):
        await over.wait()


async def _until_settled(played: Scene) -> float:
    """Wait until every instance is ready and nothing is under way; returns the seconds that took."""

    async def settled() -> bool:
        stats = await played.stats()
        states = [instance["state"] for instance in stats["instances"]]
        idle = not (stats["limiter"]["in_flight"] or stats["limiter"]["queued"])
        return states == ["ready"] * INSTANCES and idle and complete(played)

    async def seen() -> object:
        stats = await played.stats()
        return [(each["name"], each["state"], each["reason"]) for each in stats["instances"]], stats["limiter"]

    return await until(settled, "every instance is ready again", seen, SETTLING)


async def _look_after(played: Scene, fresh: Holdings) -> None:
    """See that everything is as it was, and that what is asked now is answered."""
    try:
        took = await _until_settled(played)
        played.tell(f"all instances ready again and idle after {took:.1f} s")
    except AssertionError as fault:
        played.find(str(fault))
    for surface in SURFACES:
        talker = Talker(f"last {surface.name}", KEYS[0], surface, _Patient())
        said = [(await talker.ask(played)).outcome for _ in range(3)]
        if said != [OK] * 3:
            played.find(f"{surface.name} after all: {said}")
    await _compare(played, fresh)
    _name_the_unnamed(played)
    for found in await secrets_shown(played):
        played.find(found)
    requests = played.role.lines("request")
    for line in requests:
        if line["outcome"] == "internal_error":
            played.find(f"internal_error of {line['request_id']}")
    for request_id, instance in sent_away(requests, played.role.lines("instance_state"), played.drained):
        played.find(f"login_required of {request_id}, and {instance} was signed in all the while")
    for line in played.role.log.splitlines():
        if '"exception": ' in line or line.startswith(("Traceback", "  File")):
            played.find(f"a traceback in the log: {line[:600]}")


async def _compare(played: Scene, fresh: Holdings) -> None:
    """What the gateway holds beyond a fresh one, once connections that have ended are gone."""
    beyond: list[str] = []

    async def is_lean() -> bool:
        beyond[:] = (await holdings(played)).beyond(fresh)
        return not beyond

    with suppress(AssertionError):
        await until(is_lean, "as lean as before", patience=30)
    for found in beyond:
        played.find(f"left behind: {found}")


def _name_the_unnamed(played: Scene) -> None:
    """Ollama's errors are texts: what they were stands in the log."""
    named = {line["request_id"]: line["outcome"] for line in played.role.lines("request")}
    for request_id, key in played.unnamed:
        code = named.get(request_id, "nothing in the log")
        played.outcomes["of the log"][code] += 1
        if code not in VISIBLE and not (code == "invalid_api_key" and key == FICKLE):
            played.find(f"{code} [{request_id}]")


async def _stop(played: Scene) -> None:
    """End the gateway: nothing of it may be left."""
    server = played.role.server
    await trio.to_thread.run_sync(server.stop)
    left = played.processes
    if left:
        played.find(f"{len(left)} processes outlived the gateway")
    temporary = [str(path) for path in (played.machine.disk / "tmp").rglob("*")]
    if temporary:
        played.find(f"temporary files outlived the gateway: {temporary}")


class _Patient(random.Random):
    """The chance of a client that is in no hurry."""

    def random(self) -> float:
        return 0.5


def report(played: Scene) -> str:
    """What was done and seen, for people."""
    lines = [f"{count:6} x {name}" for name, count in played.troubles.most_common()]
    lines += [f"        never {name}" for name in TROUBLES if name not in played.troubles]
    for surface, ends in played.outcomes.items():
        lines.append(f"{surface}: {', '.join(f'{count} {end}' for end, count in ends.most_common())}")
    lines.append(f"turns: {', '.join(f'{count} {what}' for what, count in played.turns.most_common())}")
    lines.append(f"{played.lives} lives of the gateway, {len(played.findings)} findings, seed {played.seed}")
    return "\n".join([*lines, *(f"FOUND  {finding}" for finding in played.findings)])
