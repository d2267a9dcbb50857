"""Faults as OpenAI's clients read them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingma_trio import errors
from lingma_trio.api.openai.envelope import error_body, error_headers
from lingma_trio.errors import GatewayError
from tests.faults import FAULTS


def headers(error: GatewayError) -> dict[bytes, bytes]:
    """Return the headers by name, having checked that none comes twice."""
    listed = error_headers(error)
    assert len(dict(listed)) == len(listed)
    return dict(listed)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_all_four_keys(fault: type[GatewayError]) -> None:
    """The official clients find a message, a type, a param and a code in each fault."""
    assert json.loads(error_body(fault("what to do", param="field"))) == {
        "error": {"message": "what to do", "type": fault.kind, "param": "field", "code": fault.code}
    }


@given(st.text(st.characters(exclude_categories=())), st.none() | st.text(st.characters(exclude_categories=())))
def test_any_message_is_one_line_of_json(message: str, param: str | None) -> None:
    """Whatever stands in a message, lone surrogates and line breaks included, the body can go into a stream."""
    body = error_body(GatewayError(message, param=param)).decode()
    assert body.splitlines() == [body]
    assert (json.loads(body)["error"]["param"] is None) == (param is None)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wait_is_named_on_every_429_and_503_and_nowhere_else_by_itself(fault: type[GatewayError]) -> None:
    """Clients that are turned away for lack of room are told when to come back."""
    assert (b"retry-after" in headers(fault("m"))) == (fault.status in (429, 503))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("retry_after", [None, -5.0, 0.0, 0.3, 1.5, 60.0, 61.0, 1e9, float("inf"), float("nan")])
def test_a_wait_is_always_one_that_clients_obey(fault: type[GatewayError], retry_after: float | None) -> None:
    """Both headers come together, agree, and stay within a second and a minute."""
    found = headers(fault("m", retry_after=retry_after))
    if b"retry-after" not in found:
        assert b"retry-after-ms" not in found
        assert retry_after is None
        return
    seconds, milliseconds = int(found[b"retry-after"]), int(found[b"retry-after-ms"])
    assert 1 <= seconds <= 60
    assert seconds - 1 < milliseconds / 1000 <= seconds


def test_a_fault_that_names_a_wait_is_obeyed_to_the_millisecond() -> None:
    """Seconds are rounded up, so that neither header has the client come too early."""
    found = headers(errors.UpstreamError("m", retry_after=1.5))
    assert found == {b"retry-after": b"2", b"retry-after-ms": b"1500"}


def test_what_takes_longer_to_mend_has_a_longer_wait() -> None:
    """A spent quota and a missing login do not mend within seconds, a full queue does."""
    queue, quota, login = (
        int(headers(fault("m"))[b"retry-after"])
        for fault in (errors.QueueFull, errors.QuotaExceeded, errors.LoginRequired)
    )
    assert queue < quota == login == 60


@pytest.mark.parametrize("fault", FAULTS)
def test_clients_are_told_not_to_repeat_what_cannot_succeed(fault: type[GatewayError]) -> None:
    """The header stands exactly where the official clients would repeat a hopeless request."""
    repeated = fault.status in (408, 409, 429) or fault.status >= 500
    expected = b"false" if repeated and not fault.retryable else None
    assert headers(fault("m")).get(b"x-should-retry") == expected


@pytest.mark.parametrize("fault", [errors.LoginRequired, errors.QuotaExceeded])
def test_what_a_retry_cannot_cure_is_not_repeated(fault: type[GatewayError]) -> None:
    """A missing login is a 503 and a used-up quota a 429, both of which clients would repeat."""
    assert headers(fault("m"))[b"x-should-retry"] == b"false"


def test_a_rate_limit_is_waited_for() -> None:
    """It is over soon, other than a quota, and has a code of its own."""
    assert b"x-should-retry" not in headers(errors.RateLimited("m"))
    assert errors.RateLimited.code != errors.QuotaExceeded.code


def test_header_names_are_lower_case() -> None:
    """The server interface takes lower-case names only."""
    assert all(name == name.lower() for fault in FAULTS for name, _ in error_headers(fault("m", retry_after=1)))
