"""Whether each instance's account is signed in, by its files and by Lingma's own word."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import trio
from pydantic_core import from_json

from lingma_trio.accounts import Account
from lingma_trio.doctor.checks.work_dirs import stranger
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.program import Reply, ask_program
from lingma_trio.doctor.site import Site
from lingma_trio.fleet import lingma_fleet
from lingma_trio.lingma.login_files import is_logged_in
from lingma_trio.lingma.options import LingmaOptions

NAME = "login"
STATUS_SECONDS = 15.0
"""For the binary to say whether one login is good."""

BY_SETTINGS = "put a valid token into ACP_TOKENS, and name in ACP_TOKEN_VARIABLE where the agent looks for it"
"""The remedy where it is an agent's."""

AT_ONCE = 4
"""Binaries that are asked side by side; each is a program of some 100 MB."""


def by_hand(instance: str, label: str = "") -> str:
    """The remedy for a missing login: a person at any browser, or a login that was made on another machine.

    `label` is the account as its operator is shown it, where one is configured.
    """
    account = f"for {label}: " if label else ""
    return (
        f"{account}`lingma-trio login --instance {instance}` while the gateway runs, or "
        f"`lingma-trio bundle import --instance {instance} FILE` with a login from another machine"
    )


async def check_logins(site: Site, *, seconds: float = STATUS_SECONDS) -> list[Finding]:
    """A finding for each instance, AT_ONCE of them looked at side by side.

    Where a gateway runs it is asked, for two Lingmas must not share a directory.
    """
    if site.simulated:
        return [Finding(NAME, "skipped", "the simulator needs none")]
    if site.agents:
        return [_agent(site, options.name) for options in site.fleet]
    findings: dict[str, Finding] = {}
    room = trio.CapacityLimiter(AT_ONCE)

    async def check(options: LingmaOptions, account: Account | None) -> None:
        async with room:
            findings[options.name] = await _check_one(site, options, account, seconds)

    async with trio.open_nursery() as nursery:
        fleet = lingma_fleet(site.settings)
        for options, account in zip(fleet, site.settings.instance_accounts, strict=True):
            nursery.start_soon(check, options, account)
    return [findings[options.name] for options in site.fleet]


async def _check_one(site: Site, options: LingmaOptions, account: Account | None, seconds: float) -> Finding:
    if options.name in site.holders:
        return _as_told(options.name, _states(site), by_hand(options.name, options.label))
    if not await trio.to_thread.run_sync(is_logged_in, options.work_dir, abandon_on_cancel=True):
        return _signed_out(site, options, account)
    return await _as_lingma_says(options, seconds)


def _agent(site: Site, name: str) -> Finding:
    """What a running gateway says of an agent; there is nobody else to ask."""
    if name in site.holders:
        return _as_told(name, _states(site), BY_SETTINGS)
    return Finding(NAME, "skipped", f"{name} signs in with its token; the round trip tells whether that is good")


def _states(site: Site) -> Mapping[str, str]:
    served = site.served
    return {} if served is None else {instance.name: instance.state for instance in served.instances}


def _as_told(name: str, states: Mapping[str, str], remedy: str) -> Finding:
    if name not in states:
        what = f"{name} belongs to a running gateway that does not answer on PORT"
        return Finding(NAME, "skipped", what, "`lingma-trio status --url` asks it")
    if states[name] == "needs_login":
        return Finding(NAME, "fault", f"{name} is not signed in, says the running gateway", remedy)
    return Finding(NAME, "fine", f"{name} is {states[name]}, says the running gateway")


def _signed_out(site: Site, options: LingmaOptions, account: Account | None) -> Finding:
    name, remedy = options.name, by_hand(options.name, options.label)
    if account is not None and (account.session_bundle or account.session_bundle_file):
        return Finding(NAME, "fine", f"{name} is not signed in; its bundle is restored at the first start")
    if account is not None and account.password and site.settings.auto_login_enabled:
        what = f"{name} is not signed in yet; AUTO_LOGIN_ENABLED leaves that to the gateway when it runs"
        return Finding(NAME, "warning", what, remedy)
    return Finding(NAME, "fault", f"{name} is not signed in: its directory has no cache/user", remedy)


async def _as_lingma_says(options: LingmaOptions, seconds: float) -> Finding:
    """What the binary makes of the files; nothing is run in a directory that is not this user's."""
    unasked = f"{options.name} has a login"
    try:
        owner = await trio.to_thread.run_sync(stranger, options.work_dir, abandon_on_cancel=True)
        if owner is not None:
            return Finding(NAME, "skipped", f"{unasked} of {owner}'s, which was not tried", f"run this as {owner}")
        command = [*options.command, "status", "-o", "json", "--workDir", str(options.work_dir)]
        reply = await ask_program(command, environment=options.environment, seconds=seconds)
    except OSError as error:
        return Finding(NAME, "warning", f"{unasked}; Lingma could not be asked ({error.strerror})", "see the binary")
    except trio.TooSlowError:
        what = f"{unasked}; Lingma did not say within {seconds:g} s whether it is good"
        return Finding(NAME, "warning", what, "run this again; a round trip tells as well")
    return _judge(options, reply)


def _judge(options: LingmaOptions, reply: Reply) -> Finding:
    name, user = options.name, options.work_dir / "cache/user"
    try:
        told = from_json(reply.output)
    except ValueError:
        told = None
    match told:
        case {"logged_in": True}:
            return Finding(NAME, "fine", f"{name} is signed in")
        case {"logged_in": False}:
            what = f"{name} has login files that Lingma does not accept: expired, or from another machine's cache/id"
            return Finding(NAME, "fault", what, f"rm {shlex.quote(str(user))}; then {by_hand(name, options.label)}")
    what = f"{name} has a login; the binary's `status` does not say whether it is good (status {reply.status})"
    return Finding(NAME, "warning", what, "the round trip tells")
