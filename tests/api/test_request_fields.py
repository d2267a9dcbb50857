"""What requests of every surface have, whatever a client puts there."""

from __future__ import annotations

from typing import Any

import pytest

from lingma_trio.api.request_fields import (
    MAX_MODEL_LENGTH,
    MAX_STOP_LENGTH,
    MAX_STOPS,
    read_body,
    read_limit,
    read_model,
    read_stop,
)
from lingma_trio.errors import InvalidRequest


def test_a_body_is_an_object() -> None:
    """An object is returned as it is."""
    assert read_body(b'{"a":[1,null]}') == {"a": [1, None]}


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b'{"a":NaN}', b"\xff", b"[" * 100_000])
def test_any_other_body_is_refused(body: bytes) -> None:
    """What is no JSON object is the body's fault, however it is broken."""
    with pytest.raises(InvalidRequest) as caught:
        read_body(body)
    assert caught.value.param == "body"


def test_a_model_is_a_name_or_nothing() -> None:
    """Blanks round a name do not count, null is none, and a name has a bound."""
    assert (read_model(" Auto "), read_model(None)) == ("Auto", "")
    assert len(read_model("m" * MAX_MODEL_LENGTH)) == MAX_MODEL_LENGTH
    with pytest.raises(InvalidRequest):
        read_model("m" * (MAX_MODEL_LENGTH + 1))


@pytest.mark.parametrize(("value", "expected"), [(None, ()), ("a", ("a",)), (["a", "b"], ("a", "b")), ([], ())])
def test_stop_is_one_text_or_several(value: object, expected: tuple[str, ...]) -> None:
    """Clients send a string, an array or null."""
    assert read_stop(value, param="stop") == expected


@pytest.mark.parametrize(
    ("value", "param"),
    [("", "end"), (["a", ""], "end[1]"), (["s" * (MAX_STOP_LENGTH + 1)], "end[0]"), (["a"] * (MAX_STOPS + 1), "end")],
)
def test_a_stop_that_cannot_be_served_is_named(value: Any, param: str) -> None:  # noqa: ANN401 - whatever JSON holds
    """The fault names the field under the surface's own name."""
    with pytest.raises(InvalidRequest) as caught:
        read_stop(value, param=param.partition("[")[0])
    assert caught.value.param == param


@pytest.mark.parametrize(("value", "limit"), [(None, None), (0, None), (1, 1), (4096, 4096)])
def test_limit_is_a_number_or_none(value: object, limit: int | None) -> None:
    """No bound is how a missing one and 0 are read."""
    assert read_limit(value, param="max_tokens") == limit


@pytest.mark.parametrize("value", [-1, 1.5, False, "7", []])
def test_limit_that_is_none_is_refused(value: object) -> None:
    """The fault names the field; `false` is no 0."""
    with pytest.raises(InvalidRequest) as caught:
        read_limit(value, param="max_tokens")
    assert caught.value.param == "max_tokens"
