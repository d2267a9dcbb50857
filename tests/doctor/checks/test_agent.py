"""The agent's program is found or told to be missing, and what it would run as is told; no secret is shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from lingma_trio.accounts import AgentAccount
from lingma_trio.doctor.checks.agent import check_agent
from lingma_trio.doctor.checks.binary import check_file, check_libraries, check_version
from lingma_trio.doctor.checks.browser import check_browser
from lingma_trio.doctor.checks.login import BY_SETTINGS, check_logins
from lingma_trio.doctor.checks.ports import check_lingma_port
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.site import Site
from tests.doctor.support import levels, only, readiness_of, script, settings_of, site_of

TOKEN = "a-token-of-the-agent"


def agents(directory: Path, **values: object) -> Site:
    """The site of an agent whose program is in `directory`."""
    program = script(directory / "agent", "exit 0")
    given = {"lingma_upstream": "acp", "acp_command": (str(program), f"--key={TOKEN}"), **values}
    return site_of(settings_of(directory, **given))


def told(site: Site) -> list[Finding]:
    return [finding for finding in check_agent(site) if finding.level != "warning"]


def test_program_that_is_there_is_fine(tmp_path: Path) -> None:
    """It is named without the rest of the command, which may hold what is nobody's to read."""
    findings = told(agents(tmp_path))
    assert levels(findings) == ["fine", "fine"]
    assert str(tmp_path / "agent") in findings[0].what
    assert TOKEN not in str(findings)
    assert "needs no token" in findings[1].what


def test_accounts_are_told_by_name(tmp_path: Path) -> None:
    """And in which variable their tokens are; the tokens are not."""
    accounts = (AgentAccount("ann", SecretStr(TOKEN)), AgentAccount("bob", SecretStr(TOKEN)))
    findings = told(agents(tmp_path, acp_tokens=accounts, acp_token_variable="AGENT_KEY"))
    assert "ann, bob, in AGENT_KEY" in findings[1].what
    assert TOKEN not in str(findings)


def test_missing_program_is_a_fault(tmp_path: Path) -> None:
    """With what to set."""
    fault = only(told(agents(tmp_path, acp_command=("no-such-agent",))), "fault")
    assert "no-such-agent" in fault.what
    assert "ACP_COMMAND" in fault.what


def test_root_is_warned_of(tmp_path: Path) -> None:
    """An agent may do all that its user may."""
    warned = [finding for finding in check_agent(agents(tmp_path)) if finding.level == "warning"]
    assert bool(warned) == (os.geteuid() == 0)


async def test_what_is_lingma_s_is_not_looked_for(tmp_path: Path) -> None:
    """Neither its binary and port nor a browser, which would all be missing."""
    site = agents(tmp_path)
    assert [*check_file(site), *await check_libraries(site), *await check_version(site)] == []
    assert list(check_lingma_port(site)) == []
    assert levels(list(check_browser(site))) == ["skipped"]
    assert list(check_agent(site_of(settings_of(tmp_path)))) == []


@pytest.mark.parametrize(("state", "level"), [("ready", "fine"), ("needs_login", "fault"), (None, "skipped")])
async def test_login_is_what_the_running_gateway_says(tmp_path: Path, state: str | None, level: str) -> None:
    """Without one nobody can tell but the agent itself, in the round trip."""
    site = agents(tmp_path)
    if state is not None:
        readiness = readiness_of(acp_0=state).model_copy(update={"upstream": "acp"})
        site = site_of(site.settings, holders={"acp-0": "1"}, readiness=readiness)
    (finding,) = await check_logins(site)
    assert finding.level == level
    assert (finding.remedy == BY_SETTINGS) == (level == "fault")
