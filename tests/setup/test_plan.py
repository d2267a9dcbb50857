"""What a new installation's settings come to, by what is at hand."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values

from lingma_trio.config import load_settings
from lingma_trio.errors import ConfigurationFault
from lingma_trio.setup.plan import Plan, draw_up


def plan(environ: dict[str, str], **wishes: str) -> Plan:
    return draw_up(wishes, new_key="sk-new-key-of-the-plan", new_token="new-token-of-the-plan", environ=environ)


def test_with_nothing_at_hand_the_simulator_answers() -> None:
    """On this machine alone, at the usual port, with the new key and token; and the plan shows neither."""
    found = plan({"HOME": "/home/ann"})
    assert found.variables == {
        "LINGMA_UPSTREAM": "simulator",
        "HOST": "127.0.0.1",
        "PORT": "8317",
        "API_KEYS": "sk-new-key-of-the-plan",
        "ADMIN_TOKEN": "new-token-of-the-plan",
        "LINGMA_DATA_DIR": "/home/ann/.local/share/lingma-trio",
    }
    assert "simulator answers" in found.why
    assert "new-" not in repr(found)


@pytest.mark.parametrize(
    "account",
    [
        {"LINGMA_USERNAME": "ann", "LINGMA_PASSWORD": "it's $ecret #1"},
        {"LINGMA_ACCOUNTS": "ann:one,bob:two"},
        {"LINGMA_SESSION_BUNDLE": "YWJj"},
        {"LINGMA_SESSION_BUNDLE_FILE": "/run/secrets/bundle"},
    ],
    ids=["password", "several", "bundle", "file"],
)
def test_account_at_hand_is_written_down(account: dict[str, str]) -> None:
    """So that another shell serves it, too: the file alone comes to the same accounts."""
    found = plan(account)
    assert found.variables["LINGMA_UPSTREAM"] == "lingma"
    in_file = {name: value or "" for name, value in dotenv_values(stream=StringIO(found.text())).items()}
    assert load_settings(in_file, None).lingma_accounts == load_settings(account, None).lingma_accounts


def test_agent_at_hand_is_written_down() -> None:
    """As the environment has it, with what it needs."""
    agent = {"ACP_COMMAND": '["agent", ""]', "ACP_TOKENS": "ann:x", "ACP_TOKEN_VARIABLE": "TOKEN", "ACP_MODE": "plan"}
    found = plan({"LINGMA_UPSTREAM": "acp", **agent})
    assert "agent" in found.why
    in_file = {name: value or "" for name, value in dotenv_values(stream=StringIO(found.text())).items()}
    settings = load_settings(in_file, None)
    assert (settings.lingma_upstream, settings.acp_command, settings.acp_mode) == ("acp", ("agent", ""), "plan")
    assert settings.acp_tokens == load_settings(agent, None).acp_tokens


def test_binary_at_hand_is_served(tmp_path: Path) -> None:
    """Where it belongs by default as well as where LINGMA_BIN says."""
    (tmp_path / "lingma-trio/bin").mkdir(parents=True)
    (tmp_path / "lingma-trio/bin/Lingma").touch()
    assert plan({"XDG_DATA_HOME": str(tmp_path)}).variables["LINGMA_UPSTREAM"] == "lingma"
    elsewhere = plan({"LINGMA_BIN": str(tmp_path / "lingma-trio/bin/Lingma")})
    assert elsewhere.variables["LINGMA_BIN"] == str(tmp_path / "lingma-trio/bin/Lingma")
    assert elsewhere.variables["LINGMA_UPSTREAM"] == "lingma"


def test_wishes_go_before_the_environment() -> None:
    """What a person answers counts, and what they leave open is the environment's."""
    environ = {"PORT": "9001", "LINGMA_UPSTREAM": "AUTO", "API_KEYS": "sk-of-before-1"}
    found = plan(environ, PORT="9000", LINGMA_UPSTREAM="")
    assert (found.variables["PORT"], found.variables["LINGMA_UPSTREAM"]) == ("9000", "auto")
    assert found.variables["API_KEYS"] == "sk-of-before-1"


def test_what_does_not_fit_is_refused() -> None:
    """As the gateway would at its start."""
    with pytest.raises(ConfigurationFault, match="PORT: "):
        plan({"PORT": "99999"})
