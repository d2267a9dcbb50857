"""Faults as Anthropic's clients read them."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from anthropic.types.shared import ErrorType
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio import errors
from lingma_trio.api.anthropic.envelope import error_body
from lingma_trio.errors import GatewayError, ThreadUnsupported
from tests.faults import FAULTS


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_a_type_that_clients_know(fault: type[GatewayError]) -> None:
    """The official client finds one of its own types, the message, our code, and the request's id."""
    body = json.loads(error_body(fault("what to do", param="field"), "req_1"))
    kind = body["error"].pop("type")
    assert kind in {*get_args(ErrorType), "request_too_large"}  # which is in Anthropic's list, and not in its SDK's
    details: dict[str, object] = {"error_code": fault.code}
    if fault is ThreadUnsupported:  # whose clients log what it was
        details["unsupported"] = ["field"]
    assert body == {
        "type": "error",
        "error": {"message": "what to do", "details": details},
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (errors.InvalidRequest, "invalid_request_error"),
        (errors.MethodNotAllowed, "invalid_request_error"),
        (errors.BodyTooLarge, "request_too_large"),
        (errors.ContentFiltered, "invalid_request_error"),
        (errors.Unauthorized, "authentication_error"),
        (errors.NotFound, "not_found_error"),
        (errors.ModelNotFound, "not_found_error"),
        (errors.QueueFull, "rate_limit_error"),
        (errors.QuotaExceeded, "rate_limit_error"),
        (errors.Unavailable, "api_error"),
        (errors.ShuttingDown, "api_error"),
        (errors.LoginRequired, "api_error"),
        (errors.InternalError, "api_error"),
        (errors.ChannelLost, "api_error"),
        (errors.RequestTimeout, "timeout_error"),
    ],
)
def test_the_type_says_what_to_do(fault: type[GatewayError], kind: str) -> None:
    """What passes by itself is told apart from what has to be changed, and from what is broken."""
    assert json.loads(error_body(fault("m")))["error"]["type"] == kind


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_any_message_is_one_line_of_json(message: str, request_id: str) -> None:
    """Whatever stands in a message, lone surrogates and line breaks included, the body can go into a stream."""
    body = error_body(GatewayError(message), request_id).decode()
    assert body.splitlines() == [body]
    assert ("request_id" in json.loads(body)) == bool(request_id)
