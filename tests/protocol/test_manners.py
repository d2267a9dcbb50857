"""Manners: what a channel is told of each upstream's messages."""

from __future__ import annotations

from lingma_trio.protocol.manners import LINGMA
from lingma_trio.protocol.request import Result


def test_lingmas_pushes_of_nobodys_are_answered_with_a_result() -> None:
    """Nothing is an answer to Lingma, but for a tool call, which is declined."""
    assert LINGMA.stray_reply("chat/answer", {"requestId": "r"}) == Result(None)
    declined = LINGMA.stray_reply("tool/invoke", {"toolCallId": "c", "name": "n"})
    assert isinstance(declined, Result)
    assert isinstance(declined.value, dict)
    assert declined.value["success"] is False
