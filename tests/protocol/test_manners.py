"""Manners: what a channel is told of each upstream's messages."""

from __future__ import annotations

from lingma_trio.protocol.manners import ACP, LINGMA
from lingma_trio.protocol.request import Result


def test_lingmas_pushes_of_nobodys_are_answered_with_a_result() -> None:
    """Nothing is an answer to Lingma, but for a tool call, which is declined."""
    assert LINGMA.stray_reply("chat/answer", {"requestId": "r"}) == Result(None)
    declined = LINGMA.stray_reply("tool/invoke", {"toolCallId": "c", "name": "n"})
    assert isinstance(declined, Result)
    assert isinstance(declined.value, dict)
    assert declined.value["success"] is False


def test_only_lingma_names_a_turn_in_nearly_every_push() -> None:
    """An agent's updates name a session, and what its results hold is never an error."""
    assert (LINGMA.named_by, ACP.named_by) == ("requestId", "")
    assert LINGMA.result_fault({"success": False, "errorCode": "5", "errorMessage": "no"}) == ("5", "no")
    assert ACP.result_fault({"success": False, "errorCode": "5", "errorMessage": "no"}) is None
