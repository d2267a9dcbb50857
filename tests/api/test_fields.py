"""Fields of loosely typed JSON, and faults that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lingma_trio.api import fields
from lingma_trio.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES: dict[str, object] = {
    "null": None,
    "a boolean": True,
    "a number": 2.5,
    "a string": "secret text",
    "an array": ["secret text"],
    "an object": {"secret": "text"},
}
READERS: list[tuple[Callable[..., object], set[str]]] = [
    (fields.string, {"null", "a string"}),
    (fields.required_string, {"a string"}),
    (fields.json_object, {"an object"}),
    (fields.optional_object, {"null", "an object"}),
    (fields.optional_array, {"null", "an array"}),
]


@pytest.mark.parametrize(("reader", "accepted"), READERS, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("kind", SAMPLES)
def test_a_reader_takes_its_own_kinds_and_names_the_field_otherwise(
    reader: Callable[..., object], accepted: set[str], kind: str
) -> None:
    """A value of a wrong kind is a fault that names the field and the kind, and never repeats the value."""
    value = SAMPLES[kind]
    if kind in accepted:
        assert reader(value, param="field") in (value, "", False, None, {}, [])
        return
    with pytest.raises(InvalidRequest) as caught:
        reader(value, param="field")
    assert caught.value.param == "field"
    assert kind in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(("kind", "value"), list(SAMPLES.items()))
def test_every_json_value_has_a_name(kind: str, value: object) -> None:
    """Each JSON type is called what JSON calls it, and a boolean is no number."""
    assert fields.kind(value) == kind


def test_an_array_may_be_as_long_as_its_bound() -> None:
    """One more is named, with the bound."""
    fields.check_length(3, 3, param="messages")
    with pytest.raises(InvalidRequest, match="no more than 3 entries, not 4") as caught:
        fields.check_length(4, 3, param="messages")
    assert caught.value.param == "messages"


@pytest.mark.parametrize(("reader", "accepted"), READERS)
def test_a_value_of_the_right_kind_is_read_as_it_is(reader: Callable[..., object], accepted: set[str]) -> None:
    """Null is read as nothing of the kind, where it may be given."""
    for kind in accepted - {"null"}:
        assert reader(SAMPLES[kind], param="field") is SAMPLES[kind]
    if "null" in accepted:
        assert not reader(None, param="field")
