"""The response object: what changes in it, and how a fault is told."""

from __future__ import annotations

import json

import pytest

from lingma_trio.api.responses.response import ResponseObject, error_fields
from lingma_trio.errors import (
    ChannelLost,
    ContentFiltered,
    GatewayError,
    InternalError,
    QuotaExceeded,
    UpstreamRejected,
)
from lingma_trio.turns import Usage


def test_it_is_one_line_of_json_whatever_is_in_it() -> None:
    """No text that it repeats can break the line in any reading."""
    made = ResponseObject(id="resp_1", model="m\ud800", created=1, facts={"instructions": "a\u2028b\nc"})
    data = made.encoded("completed", (("x", b'{"id":"x"}'),), usage=Usage(1, 2, 1)).json
    assert len(data.decode().splitlines()) == 1
    fields = json.loads(data)
    assert (fields["model"], fields["instructions"], fields["output"]) == ("m?", "a\u2028b\nc", [{"id": "x"}])
    assert (fields["usage"]["total_tokens"], fields["usage"]["output_tokens_details"]["reasoning_tokens"]) == (3, 1)
    assert (fields["error"], fields["incomplete_details"]) == (None, None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ChannelLost("x"), "server_error"),
        (InternalError("x"), "server_error"),
        (QuotaExceeded("x"), "rate_limit_exceeded"),
        (ContentFiltered("x"), "invalid_prompt"),
        (UpstreamRejected("x"), "invalid_prompt"),
    ],
)
def test_a_fault_has_openais_kind_and_the_gateways_own(error: GatewayError, code: str) -> None:
    """By the one clients decide whether to ask again, the other is in the documentation."""
    assert error_fields(error) == {"code": code, "message": "x", "param": None, "type": error.code}
