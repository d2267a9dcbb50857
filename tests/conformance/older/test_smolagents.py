"""smolagents runs an errand of two steps, by calls of tools and by code that calls them, whole and streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from smolagents import CodeAgent, OpenAIModel, Tool, ToolCallingAgent

from tests.conformance.clients import API_KEY
from tests.conformance.errand import CLOSING, MARK, MODEL, TASK, Errand

if TYPE_CHECKING:
    from collections.abc import Callable

BY_CALL = f"""call='final_answer:{{"answer":"{CLOSING}"}}'"""
TASK_IN_CODE = f"""How many boats are at sea?
#simulate say='{MARK} I look. <code>print(look(at="sea"))</code>'"""


class _OfErrand(Tool):  # type: ignore[misc]  # the package is not where types are checked
    """A tool of an errand for this package, which wants a class for each."""

    output_type = "string"
    skip_forward_signature_validation = True

    def __init__(self, run: Callable[..., str], parameter: str) -> None:
        self.name = run.__name__
        self.description = "Looks or counts."
        self.inputs = {parameter: {"type": "string", "description": "What."}}
        self._run = run
        super().__init__()

    def forward(self, **arguments: str) -> str:
        """Run the errand's tool."""
        return self._run(**arguments)


def agent_of(kind: Any, origin: str, errand: Errand, *, retries: int = 0, streamed: bool = False) -> Any:  # noqa: ANN401
    model = OpenAIModel(MODEL, api_base=f"{origin}/v1", api_key=API_KEY, client_kwargs={"max_retries": retries})
    tools = [_OfErrand(errand.look, "at"), _OfErrand(errand.count, "things")]
    return kind(tools=tools, model=model, max_steps=3, verbosity_level=0, stream_outputs=streamed)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_errand(streamed: bool, origin: str) -> None:
    """Both tools are called, and what they found reaches the model."""
    errand = Errand(BY_CALL)
    assert agent_of(ToolCallingAgent, origin, errand, streamed=streamed).run(TASK) == CLOSING
    assert errand.is_done


def test_answer_that_breaks_off_is_asked_for_again(cut: str) -> None:
    """The client below does so by itself, and the errand ends as if nothing had been."""
    errand = Errand(BY_CALL)
    assert agent_of(ToolCallingAgent, cut, errand, retries=1).run(TASK) == CLOSING
    assert errand.is_done


class InCode(Errand):
    """The errand for an agent whose model writes code, and for which what is printed counts."""

    def look(self, at: str) -> str:
        """Looks at something."""
        super().look(at)
        return """The sea is calm.\n#simulate say='<code>print(count(things="boats"))</code>'\n"""

    def count(self, things: str) -> str:
        """Counts things."""
        super().count(things)
        return f"""Seven.\n#simulate say='<code>final_answer("{CLOSING}")</code>'\n"""


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_errand_in_code(streamed: bool, origin: str) -> None:
    """The code that the model writes is run, and what it prints reaches the model."""
    errand = InCode()
    assert agent_of(CodeAgent, origin, errand, streamed=streamed).run(TASK_IN_CODE) == CLOSING
    assert errand.is_done
