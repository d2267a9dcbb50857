"""Custom tools as functions of one argument, and back."""

from __future__ import annotations

import pytest

from lingma_trio.api.custom_tools import as_arguments, as_input, description
from lingma_trio.errors import InvalidRequest


def test_a_text_is_the_one_argument() -> None:
    """And is given back as it was."""
    assert as_arguments("a\n") == '{"input":"a\\n"}'
    assert as_input(as_arguments("a\n")) == "a\n"


@pytest.mark.parametrize("arguments", ['{"other": 1}', '{"input": 7}', "[]"])
def test_what_the_model_wrote_instead_is_given_as_it_is(arguments: str) -> None:
    """The client is the one to judge it."""
    assert as_input(arguments) == arguments


def test_a_description_names_the_field_at_fault() -> None:
    """Without a grammar it is what the client says."""
    assert description({"description": "Does."}, param="tools[0]") == "Does."
    with pytest.raises(InvalidRequest) as caught:
        description({"format": 7}, param="tools[0]")
    assert caught.value.param == "tools[0].format"
