"""How an instance stands is told to people as it is: what rests, what is lost, and what the operator wants."""

from __future__ import annotations

import pytest

from lingma_trio.lingma.lives import State
from lingma_trio.lingma.standing import DRAINED
from tests.peers import LinkedInstance, linked


async def test_people_are_told_how_an_instance_stands_and_why() -> None:
    """A limit that is hit is a rest, a lost connection a restart, and what is drained says so before all else."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        instance.enter("ready")
        assert instance.standing.told() == ("ready", "")
        instance.rest(30, model="auto")
        instance.tell_models("auto")
        state, reason = instance.standing.told()
        assert (state, reason[:16]) == ("resting", "rests for 30 s: ")
        instance.standing.drained = True
        state, reason = instance.standing.told()
        assert state == "drained"
        assert reason.startswith(f"{DRAINED} (the account's quota")
        instance.standing.drained = False
        instance.tell_models("other")
        assert instance.standing.told()[0] == "ready"
        await link.vanish()
        await link.ended.wait()
        assert instance.standing.told() == ("backing_off", instance.lives.lost)
        instance.standing.drained = True
        assert instance.standing.told()[1].startswith(f"{DRAINED} (")


@pytest.mark.parametrize(
    ("state", "told"), [("starting", "why"), ("backing_off", "why"), ("needs_login", "why"), ("stopped", "why")]
)
async def test_a_state_is_told_with_its_reason(state: State, told: str) -> None:
    """One that is stopped is so, be it drained or not."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        instance.enter(state, "why")
        assert instance.standing.told()[0] == state
        assert instance.standing.told()[1].startswith(told)
        instance.standing.drained = True
        assert instance.standing.told()[0] == ("stopped" if state == "stopped" else "drained")


async def test_lost_login_is_told_with_what_is_done_about_it() -> None:
    """Behind the state's own reason."""
    async with linked() as link:
        instance = LinkedInstance(link.channel)
        instance.enter("needs_login", "nobody is signed in")
        assert instance.standing.told() == ("needs_login", "nobody is signed in")
        instance.account.login.reason = "no account is configured"
        assert instance.standing.told() == ("needs_login", "nobody is signed in (no account is configured)")
