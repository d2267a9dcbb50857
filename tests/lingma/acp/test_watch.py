"""What is known of an agent's account: what its first session and its turns have shown, and nothing more."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from lingma_trio.accounts import AgentAccount
from lingma_trio.lingma.acp.watch import AgentWatch
from lingma_trio.lingma.bundle import BundleFault
from lingma_trio.lingma.options import AgentOptions
from lingma_trio.protocol.acp.messages import Agent
from lingma_trio.protocol.acp.opened import Opened

OPENED = Opened.read(
    {
        "sessionId": "s-1",
        "models": {"currentModelId": "m", "availableModels": [{"modelId": "m", "name": "Model"}]},
    }
)


def watching(logins: list[bool], name: str = "team") -> AgentWatch:
    """The account of that name."""
    options = AgentOptions(
        name="acp-0",
        command=("/bin/agent",),
        work_dir=Path("/place"),
        startup_timeout=1,
        rpc_timeout=1,
        account=AgentAccount(name, SecretStr("planted")),
    )
    return AgentWatch(options, on_login=logins.append)


def test_life_shows_who_the_agent_is_and_its_models() -> None:
    """And that it is signed in."""
    logins: list[bool] = []
    watch = watching(logins)
    assert not watch.catalogue.models
    assert not logins
    watch.begin_life(Agent(name="gem", version="1.2", images=True), OPENED)
    assert watch.program.agent.name == "gem"
    assert watch.about == ("gem", "1.2")
    assert logins == [True]
    (model,) = watch.catalogue.models
    assert (model.key, model.sees) == ("m", True)


def test_agent_without_models_or_a_name_is_one_all_the_same() -> None:
    """It can be asked for by some name."""
    watch = watching([])
    watch.begin_life(Agent(), Opened.read({"sessionId": "s-1"}))
    (model,) = watch.catalogue.models
    assert (model.key, model.sees) == ("agent", False)
    assert not watch.about
    watch.begin_life(Agent(name="gem"), Opened.read({"sessionId": "s-2"}))
    (model,) = watch.catalogue.models
    assert model.key == "gem"
    assert "".join(watch.about) == "gem"


def test_sessions_are_the_account_s() -> None:
    """Two accounts never share one, and neither its name nor its token is in whose they are."""
    first, second = watching([]), watching([], "other")
    assert first.name == watching([]).name != second.name
    assert len(first.name) == 16
    assert "team" not in first.name
    assert "planted" not in repr(first)


def test_turn_that_was_refused_ends_the_login() -> None:
    """And the life, which is of no use any more."""
    logins: list[bool] = []
    watch = watching(logins)
    watch.recheck()
    refused: list[list[bool]] = []
    watch.on_refused = lambda: refused.append([*logins])
    watch.recheck()
    assert refused == [[False, False]]


def test_tools_that_ran_are_told_of() -> None:
    """All of them together; there is nothing to tell as long as none did."""
    watch = watching([])
    assert watch.remark == ""
    watch.oddities.tools_ran.update({"execute": 2, "edit": 1})
    assert "3 times" in watch.remark


async def test_there_is_no_login_but_the_token() -> None:
    """None to be taken along, and none to be looked after."""
    watch = watching([])
    with pytest.raises(BundleFault, match="ACP_TOKENS"):
        watch.export_login()
    await watch.look()
