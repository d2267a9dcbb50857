"""Whether the agent that is to answer over ACP can be started, and as whom it would run."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site
from lingma_trio.errors import InstanceDown
from lingma_trio.lingma.acp.place import find_program

NAME = "agent"


def check_agent(site: Site) -> Iterator[Finding]:
    """The program, its accounts, and this user; nothing where no agent is to answer. No word of the command is shown
    but the first: the others are the operator's.
    """
    if not site.agents:
        return
    try:
        program = find_program(site.settings.acp_command, site.fleet[0].environment or {})[0]
        yield Finding(NAME, "fine", f"{site.printable(program)} is there")
    except InstanceDown as fault:
        yield Finding(NAME, "fault", site.printable(str(fault)), "`command -v` says where a shell finds it")
    yield _accounts(site)
    if os.geteuid() == 0:
        remedy = "run the gateway as a user of its own, best in a container; see docs/security.md"
        yield Finding(NAME, "warning", "it would run as root, as this command does, and may do what root may", remedy)


def _accounts(site: Site) -> Finding:
    names = [account.name for account in site.settings.acp_tokens]
    if not names:
        return Finding(NAME, "fine", "one account that needs no token (ACP_TOKENS is empty)")
    return Finding(NAME, "fine", f"a token for {', '.join(names)}, in {site.settings.acp_token_variable}")
