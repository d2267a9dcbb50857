"""instructor gets an object in each mode for this gateway's surfaces, and asks again for one that is not valid."""

from __future__ import annotations

from typing import Any

import instructor
import pytest
from anthropic import Anthropic
from openai import OpenAI
from pydantic import BaseModel, field_validator

from tests.conformance.clients import API_KEY
from tests.conformance.errand import MARK, MODEL

RIGHT, WRONG = '{"things":"boats","number":7}', '{"things":"boats","number":6}'
CALLED, SAID = "call='Boats:%s'", "say='%s'"
OF_OPENAI = {
    instructor.Mode.TOOLS: CALLED,
    instructor.Mode.TOOLS_STRICT: CALLED,
    instructor.Mode.JSON: SAID,
    instructor.Mode.JSON_SCHEMA: SAID,
    instructor.Mode.MD_JSON: SAID,
    instructor.Mode.RESPONSES_TOOLS: CALLED,
}
OF_ANTHROPIC = {instructor.Mode.ANTHROPIC_TOOLS: CALLED, instructor.Mode.ANTHROPIC_JSON: SAID}
"""Modes, each with how the model hands an object in."""


def of_openai(origin: str, mode: instructor.Mode) -> Any:  # noqa: ANN401 - the package's own
    client = OpenAI(base_url=f"{origin}/v1", api_key=API_KEY, max_retries=1)
    return instructor.from_openai(client, mode=mode)


def of_anthropic(origin: str, mode: instructor.Mode) -> Any:  # noqa: ANN401 - as above
    return instructor.from_anthropic(Anthropic(base_url=origin, api_key=API_KEY, max_retries=1), mode=mode)


CASES = {
    **{mode.value: (of_openai, mode, handed) for mode, handed in OF_OPENAI.items()},
    **{mode.value: (of_anthropic, mode, handed) for mode, handed in OF_ANTHROPIC.items()},
}


def boats(handed: str) -> type[BaseModel]:
    """A model that says to the simulator how the next answer hands the right object in."""

    class Boats(BaseModel):
        """How many boats there are."""

        things: str
        number: int

        @field_validator("number")
        @classmethod
        def count(cls, number: int) -> int:
            if number != 7:
                raise ValueError(f"count again\n#simulate {handed % RIGHT}\n")
            return number

    return Boats


def ask(case: str, origin: str, first: str) -> Any:  # noqa: ANN401 - an object of the class made above
    client, mode, handed = CASES[case]
    asked = client(origin, mode)
    return asked.create(
        model=MODEL,
        max_tokens=1000,
        max_retries=1,
        response_model=boats(handed),
        messages=[{"role": "user", "content": f"How many boats? {MARK}.\n#simulate {handed % first}"}],
    )


@pytest.mark.parametrize("case", CASES)
def test_object(case: str, origin: str) -> None:
    """It comes in one go."""
    assert ask(case, origin, RIGHT).number == 7


@pytest.mark.parametrize("case", CASES)
def test_object_that_is_not_valid_is_asked_for_again(case: str, origin: str) -> None:
    """What is wrong with it reaches the model, and the object that comes then is the right one."""
    assert ask(case, origin, WRONG).number == 7
