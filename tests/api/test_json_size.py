"""A body that would take too long to read is told what it has too much of."""

from __future__ import annotations

import pytest

from lingma_trio.api.json_size import check_size
from lingma_trio.errors import BodyTooLarge
from lingma_trio.policy.json_size import MAX_DIGITS, MAX_VALUES


def test_what_can_be_read_passes() -> None:
    """An ordinary body is not looked at twice."""
    check_size(b'{"messages":[]}')


@pytest.mark.parametrize(
    ("body", "fault"), [(b"[" + b"0," * MAX_VALUES + b"0]", "JSON values"), (b"9" * (MAX_DIGITS + 1), "numbers")]
)
def test_what_takes_too_long_is_refused(body: bytes, fault: str) -> None:
    """The refusal names what there is too much of, and what to do."""
    with pytest.raises(BodyTooLarge, match=f"{fault}.*send fewer"):
        check_size(body)
