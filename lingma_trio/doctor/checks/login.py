"""Whether each instance's account is signed in, by its files and by Lingma's own word."""

from __future__ import annotations

from collections.abc import Mapping

import trio
from pydantic_core import from_json

from lingma_trio.accounts import Account
from lingma_trio.doctor.checks.work_dirs import stranger
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.program import Reply, ask_program
from lingma_trio.doctor.site import Site
from lingma_trio.lingma.instance import InstanceOptions
from lingma_trio.lingma.login_files import is_logged_in

NAME = "login"
STATUS_SECONDS = 15.0
BY_HAND = "set LINGMA_SESSION_BUNDLE to a login from another machine, or put a signed-in cache/ into the directory"


async def check_logins(site: Site, *, seconds: float = STATUS_SECONDS) -> list[Finding]:
    """A finding for each instance. Where a gateway runs it is asked, for two Lingmas must not share a directory."""
    findings = []
    for options, account in zip(site.fleet, site.settings.instance_accounts, strict=True):
        if options.name in site.holders:
            findings.append(_as_told(options.name, _states(site)))
        elif not await trio.to_thread.run_sync(is_logged_in, options.work_dir, abandon_on_cancel=True):
            findings.append(_signed_out(site, options.name, account))
        else:
            findings.append(await _as_lingma_says(options, seconds))
    return findings


def _states(site: Site) -> Mapping[str, str]:
    served = site.served
    return {} if served is None else {instance.name: instance.state for instance in served.instances}


def _as_told(name: str, states: Mapping[str, str]) -> Finding:
    if name not in states:
        what = f"{name} belongs to a running gateway that does not answer on PORT"
        return Finding(NAME, "skipped", what, "`lingma-trio status --url` asks it")
    if states[name] == "needs_login":
        return Finding(NAME, "fault", f"{name} is not signed in, says the running gateway", BY_HAND)
    return Finding(NAME, "fine", f"{name} is {states[name]}, says the running gateway")


def _signed_out(site: Site, name: str, account: Account | None) -> Finding:
    if account is not None and (account.session_bundle or account.session_bundle_file):
        return Finding(NAME, "fine", f"{name} is not signed in; its bundle is restored at the first start")
    if account is not None and account.password and site.settings.auto_login_enabled:
        what = f"{name} is not signed in yet; AUTO_LOGIN_ENABLED leaves that to the gateway when it runs"
        return Finding(NAME, "warning", what, BY_HAND)
    return Finding(NAME, "fault", f"{name} is not signed in: its directory has no cache/user", BY_HAND)


async def _as_lingma_says(options: InstanceOptions, seconds: float) -> Finding:
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
    return _judge(options.name, reply)


def _judge(name: str, reply: Reply) -> Finding:
    try:
        told = from_json(reply.output)
    except ValueError:
        told = None
    match told:
        case {"logged_in": True}:
            return Finding(NAME, "fine", f"{name} is signed in")
        case {"logged_in": False}:
            what = f"{name} has login files that Lingma does not accept: expired, or from another machine's cache/id"
            return Finding(NAME, "fault", what, BY_HAND)
    what = f"{name} has a login; the binary's `status` does not say whether it is good (status {reply.status})"
    return Finding(NAME, "warning", what, "the round trip tells")
