"""The agents are asked as a gateway would ask them, and no token is shown."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from pydantic import SecretStr

from lingma_trio.doctor.checks.agents import check_agents
from lingma_trio.doctor.findings import Finding
from lingma_trio.doctor.round_trip import make_round_trip
from lingma_trio.doctor.site import Site
from lingma_trio.policy.agent_address import AgentAddress
from lingma_trio.protocol.fleet_messages import InstanceReport
from tests.doctor.support import levels, only, settings_of, site_of
from tests.lingma.remote.played import TOKEN, PlayedAgent, report


def asking(directory: Path, address: AgentAddress, token: str = TOKEN) -> Site:
    """A site whose gateway asks that agent."""
    settings = settings_of(directory, lingma_upstream="agents", lingma_agents=(address,), agent_token=SecretStr(token))
    return site_of(settings)


async def found(*reports: InstanceReport, token: str = TOKEN) -> list[Finding]:
    """What is found of an agent that listens on a socket of its own and has these instances."""
    with TemporaryDirectory(prefix="lt-") as folder, trio.socket.socket(trio.socket.AF_UNIX) as socket:
        address = AgentAddress("unix", port=0, path=f"{folder}/agent.sock")
        await socket.bind(address.path)
        socket.listen()
        async with trio.open_nursery() as nursery:
            agent = PlayedAgent(address, nursery, [*reports])

            async def serve(stream: trio.SocketStream) -> None:
                try:
                    await agent.serve(stream)
                finally:
                    await trio.aclose_forcefully(stream)

            nursery.start_soon(trio.serve_listeners, serve, [trio.SocketListener(socket)])
            with trio.fail_after(20):
                findings = await check_agents(asking(Path(folder), address, token))
            nursery.cancel_scope.cancel("the test is over")
    assert token not in str(findings)
    return findings


async def test_gateway_with_lingmas_of_its_own_has_no_agents(tmp_path: Path) -> None:
    """Nothing is looked for."""
    assert await check_agents(site_of(settings_of(tmp_path))) == []


async def test_agent_that_answers_is_fine() -> None:
    """With its name, how many of its instances can be asked, and why the others cannot."""
    findings = await found(report(), report("one.lingma-1", state="needs_login", reason="nobody is signed in"))
    assert levels(findings) == ["fine", "warning"]
    assert "is one; 1 of its 2 instances can be asked" in findings[0].what
    assert "one.lingma-1 is needs_login: nobody is signed in" in findings[1].what


async def test_agent_that_refuses_is_a_fault() -> None:
    """In the words of /readyz."""
    assert "AGENT_TOKEN" in only(await found(report(), token="another-token-of-a-test"), "fault").what


async def test_agent_that_is_away_is_a_fault(tmp_path: Path) -> None:
    """With where it was looked for."""
    address = AgentAddress("unix", port=0, path=str(tmp_path / "agent.sock"))
    fault = only(await check_agents(asking(tmp_path, address)), "fault")
    assert str(address) in fault.what
    assert "No such file" in fault.what


async def test_round_trip_starts_no_lingma_of_its_own(tmp_path: Path) -> None:
    """There is none here: without a gateway nothing is asked."""
    address = AgentAddress("unix", port=0, path=str(tmp_path / "agent.sock"))
    assert "run by agents" in only(await make_round_trip(asking(tmp_path, address)), "skipped").what
