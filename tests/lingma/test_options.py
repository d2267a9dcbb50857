"""How an instance is run: the command line of a start, and whose account it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from lingma_trio.accounts import Account, AgentAccount
from lingma_trio.lingma.options import PORTS, AgentOptions, LingmaOptions

LINGMA = LingmaOptions(
    name="lingma-0", command=("/bin/lingma", "-v"), work_dir=Path("/place"), port=4711, startup_timeout=1, rpc_timeout=1
)


def test_command_line_is_the_program_s_own_form() -> None:
    """The command, the place and the port, and the endpoint where there is one."""
    line = ["/bin/lingma", "-v", "start", "--workDir=/place", "--socketPort=4711"]
    assert LINGMA.start_command() == line
    assert replace(LINGMA, port=0).start_command()[-1] == "--socketPort=0"
    assert replace(LINGMA, endpoint="https://example.com").start_command() == [*line, "--endpoint=https://example.com"]


def test_port_that_nobody_chose_is_another_one_each_time() -> None:
    """Of those that the kernel does not give out, so that a collision costs one life and not all that follow."""
    options = replace(LINGMA, port=None)
    ports = {int(options.start_command()[-1].removeprefix("--socketPort=")) for _ in range(100)}
    assert len(ports) > 90
    assert ports <= {*PORTS}
    assert max(PORTS) < 32768  # where Linux begins


def test_whole_range_of_ports_is_used() -> None:
    """Neither end of it is left out or passed, which so many starts show."""
    options = replace(LINGMA, port=None)
    ports = {int(options.start_command()[-1].removeprefix("--socketPort=")) for _ in range(20_000)}
    assert min(ports) < PORTS.start + 100
    assert max(ports) > PORTS.stop - 100


def test_operator_is_shown_whose_account_it_is() -> None:
    """By the name that the operator gave it; nothing where there is none, or where an agent has no token."""
    assert LINGMA.label == ""
    assert replace(LINGMA, account=Account("ann@example.com")).label == "an***@example.com"
    agent = AgentOptions(
        name="acp-0",
        command=("/bin/agent",),
        work_dir=Path("/place"),
        startup_timeout=1,
        rpc_timeout=1,
        account=AgentAccount("team", SecretStr("token")),
    )
    assert agent.label == "team"
    assert replace(agent, account=AgentAccount("team", SecretStr(""))).label == ""


def test_defaults_are_those_of_an_instance_nobody_described() -> None:
    """No bound, no sessions ahead, nothing that runs where Lingma stands."""
    assert (LINGMA.most_turns, LINGMA.sessions_ahead, LINGMA.allowed_tools) == (0, 0, frozenset())
    assert (LINGMA.dialect, LINGMA.heartbeat, LINGMA.environment) == ("chat", 30.0, None)


def test_environment_is_not_shown() -> None:
    """An agent's token is in it."""
    assert "planted" not in repr(replace(LINGMA, environment={"TOKEN": "planted"}))
