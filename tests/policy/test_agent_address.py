"""Where an agent is."""

from __future__ import annotations

import pytest

from lingma_trio.policy.agent_address import AgentAddress, is_loopback


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("wss://agent-0.agents:9000", AgentAddress("wss", "agent-0.agents", 9000)),
        ("wss://agents", AgentAddress("wss", "agents", 8327)),
        ("wss://[2001:db8::1]:1/", AgentAddress("wss", "2001:db8::1", 1)),
        ("ws://127.0.0.1:8327", AgentAddress("ws", "127.0.0.1", 8327)),
        ("ws://[::1]:8327", AgentAddress("ws", "::1", 8327)),
        ("ws://localhost:80", AgentAddress("ws", "localhost", 80)),
        ("unix:/run/agent.sock", AgentAddress("unix", port=0, path="/run/agent.sock")),
    ],
)
def test_address_is_read_and_said_again(text: str, address: AgentAddress) -> None:
    """What it is said as is what it is read from."""
    assert AgentAddress.parse(text) == address
    assert AgentAddress.parse(str(address)) == address
    assert bool(address.path) == (address.scheme == "unix")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "none of"),
        ("agents:8327", "none of"),
        ("http://agents", "none of"),
        ("wss://", "none of"),
        ("wss://ann:secret@agents", "none of"),
        ("wss://agents/fleet", "none of"),
        ("wss://agents:port", "port"),
        ("wss://agents:70000", "port"),
        ("ws://192.168.0.1:8327", "another machine"),
        ("ws://agents", "another machine"),
        ("ws://0.0.0.0:1", "another machine"),
        ("unix:agent.sock", "absolute"),
    ],
)
def test_address_that_is_none_says_what_it_should_be(text: str, word: str) -> None:
    """Nothing of it is repeated, since a secret may stand in it."""
    with pytest.raises(ValueError, match=word) as caught:
        AgentAddress.parse(text)
    assert "secret" not in str(caught.value)


def test_address_that_was_looked_up_is_said_beside_its_name() -> None:
    """One name may stand for many agents, of which one does not answer."""
    found = AgentAddress("wss", "agents", 8327, at="10.0.0.7")
    assert str(found) == "wss://agents:8327 (10.0.0.7)"


def test_loopback_is_this_machine_and_nothing_else() -> None:
    """A name could be looked up as anything."""
    assert is_loopback("127.9.9.9")
    assert not is_loopback("localhost.example.com")
