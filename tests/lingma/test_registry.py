"""Whose a push is: by the request that it names, or by a name that upstream gave the turn since."""

from __future__ import annotations

from typing import Any

from lingma_trio.lingma.registry import TurnRegistry
from lingma_trio.protocol.manners import ACP, LINGMA
from tests.peers import Nobody


def test_push_goes_to_the_turn_that_it_names() -> None:
    """A request's own key goes before all names, and what names nobody is nobody's."""
    registry = TurnRegistry(LINGMA)
    first, second = Nobody(), Nobody()
    registry.add("one", first, "qwen", now=1)
    registry.add("two", second, "", now=2)
    found = [registry.find("chat/answer", {"requestId": key}) for key in ("one", "two", "three")]
    assert found == [first, second, None]
    assert (len(registry), registry.all()) == (2, [first, second])


def test_name_that_was_given_since_leads_to_its_turn() -> None:
    """An agent names a session; who took it over keeps the name when the one before goes."""
    registry = TurnRegistry(ACP)
    before, after = Nobody(), Nobody()
    params: dict[str, Any] = {"sessionId": "s", "update": {}}
    (name,) = ACP.turn_keys("session/update", params)
    registry.add("a", before, "", now=1)
    registry.alias(name, before)
    assert registry.find("session/update", params) is before
    registry.add("b", after, "", now=2)
    registry.alias(name, after)
    assert registry.remove("a", [name])
    assert registry.find("session/update", params) is after
    assert registry.remove("b", [name])
    assert registry.find("session/update", params) is None
    assert not registry.remove("b", [name])


def test_it_is_known_who_asked_since() -> None:
    """By the moment, and by the model where one is named."""
    registry = TurnRegistry(LINGMA)
    registry.add("one", Nobody(), "qwen", now=1)
    registry.add("two", Nobody(), "auto", now=2)
    asked = [registry.asked_since(*since) for since in ((2,), (3,), (1, "qwen"), (2, "qwen"))]
    assert asked == [True, False, True, False]
    registry.clear()
    assert not registry.asked_since(0)
    assert len(registry) == 0


def test_name_is_forgotten_by_who_has_it() -> None:
    """Whoever had it before takes it from nobody."""
    registry = TurnRegistry(LINGMA)
    before, after = Nobody(), Nobody()
    registry.alias("name", before)
    registry.alias("name", after)
    registry.unalias("name", before)
    assert registry.holder("name") is after
    registry.unalias("name", after)
    assert registry.holder("name") is None
