"""Offers: capabilities, models and modes in each form, and what is chosen of them."""

from __future__ import annotations

import pytest

from tests.simulator.acp.support import agent


@pytest.mark.parametrize(
    ("words", "load", "sessions"),
    [
        ((), False, {"close"}),
        (("close=0",), False, set()),
        (("load=1", "resume=1", "listing=1"), True, {"close", "resume", "list"}),
    ],
    ids=["usual", "none", "all"],
)
async def test_an_agent_says_what_it_can(
    autojump_clock: object, words: tuple[str, ...], load: bool, sessions: set[str]
) -> None:
    """What is not offered is an unknown method."""
    async with agent(*words, "images=0", "version=2", initialize=False) as peer:
        told = await peer.call("initialize", protocolVersion=1)
        assert told["protocolVersion"] == 2
        able = told["agentCapabilities"]
        assert able["loadSession"] is load
        assert set(able["sessionCapabilities"]) == sessions
        assert not able["promptCapabilities"]["image"]
        assert able["promptCapabilities"]["audio"] is False
        session = await peer.open()
        known = {
            name
            for name in ("load", "close", "resume", "list")
            if "error" not in await peer.reply(f"session/{name}", sessionId=session, cwd="/", mcpServers=[])
            or name in sessions
        }
        assert known - {"load"} == sessions


FORMS = {
    "offers=both": {"models", "modes", "configOptions"},
    "offers=models": {"models", "modes"},
    "offers=options": {"configOptions"},
    "offers=neither": set(),
}


@pytest.mark.parametrize("word", FORMS)
async def test_models_and_modes_come_in_a_form(autojump_clock: object, word: str) -> None:
    """And can be chosen in that form only."""
    async with agent(word) as peer:
        told = await peer.call("session/new", cwd="/", mcpServers=[])
        assert set(told) - {"sessionId"} == FORMS[word]
        session = told["sessionId"]
        model = await peer.reply("session/set_model", sessionId=session, modelId="kmodel")
        mode = await peer.reply("session/set_mode", sessionId=session, modeId="plan")
        option = await peer.reply("session/set_config_option", sessionId=session, configId="model", value="kmodel")
        assert ("result" in model, "result" in mode) == ("models" in FORMS[word],) * 2
        assert ("result" in option) == ("configOptions" in FORMS[word])
        if "result" in option:
            values = {each["category"]: each["currentValue"] for each in option["result"]["configOptions"]}
            assert values["model"] == "kmodel"
        else:
            assert option["error"]["code"] == -32601


@pytest.mark.parametrize(("word", "taken"), [("names=checked", False), ("names=any", True)])
async def test_names_of_models_are_checked_or_not(autojump_clock: object, word: str, taken: bool) -> None:
    """Modes always are."""
    async with agent(word) as peer:
        session = await peer.open()
        for reply in (
            await peer.reply("session/set_model", sessionId=session, modelId="gpt-9"),
            await peer.reply("session/set_config_option", sessionId=session, configId="model", value="gpt-9"),
        ):
            assert ("result" in reply) is taken
        assert await peer.refused("session/set_mode", sessionId=session, modeId="gpt-9") == -32602
        choice = {"sessionId": session, "configId": "mode"}
        assert await peer.refused("session/set_config_option", **choice, value="gpt-9") == -32602
        assert "result" in await peer.reply("session/set_config_option", **choice, value="plan")
        effort = {"sessionId": session, "configId": "reasoning_effort", "value": "high"}
        assert "result" in await peer.reply("session/set_config_option", **effort)
        assert await peer.refused("session/set_config_option", sessionId=session, configId="x", value="y") == -32602
