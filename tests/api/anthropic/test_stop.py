"""Why an answer ended, in Anthropic's words."""

from __future__ import annotations

from typing import get_args

import pytest
from anthropic.types import StopReason

from lingma_trio.api.anthropic.stop import stop_fields
from lingma_trio.turns import FinishReason


@pytest.mark.parametrize("reason", get_args(FinishReason))
def test_every_reason_is_one_that_clients_know(reason: FinishReason) -> None:
    """Whatever ends an answer has a name among the official client's."""
    fields = stop_fields(reason, "")
    assert fields["stop_reason"] in get_args(StopReason)
    assert fields["stop_sequence"] is None


def test_a_stop_sequence_is_named() -> None:
    """An answer that the client's own sequence ended says so, and which one it was."""
    assert stop_fields("stop", "END") == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert stop_fields("stop", "") == {"stop_reason": "end_turn", "stop_sequence": None}
    assert stop_fields("length", "") == {"stop_reason": "max_tokens", "stop_sequence": None}
