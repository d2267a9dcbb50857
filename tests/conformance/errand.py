"""An errand of two steps for any client: what is asked, which tools there are, and what the model says at each step.

The model looks at the sea and then counts boats; what it says next lies in what a tool found, as directives to the
simulator. So an errand ends well only where both results reached the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL = "org_auto"
CLOSING = "Seven boats are at sea."
MARK = "Presently"
"""A word of the first answer, at which a connection can be broken off."""
TASK = f"""How many boats are at sea?
#simulate call='look:{{"at":"sea"}}' say='{MARK} I look.'"""
_SEEN = """The sea is calm.
#simulate call='count:{"things":"boats"}' say='Now I count.'"""
_COUNTED = "Seven of them.\n#simulate %s"

LOOK: dict[str, Any] = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
COUNT: dict[str, Any] = {"type": "object", "properties": {"things": {"type": "string"}}, "required": ["things"]}
TOOLS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "look": ("Looks at something.", LOOK),
    "count": ("Counts things that were seen.", COUNT),
}
"""The tools by their names, each with its description and its parameters."""


class Count(BaseModel):
    """How many there are of something."""

    things: str
    number: int


BOATS = Count(things="boats", number=7)
SAYING = f"say='{CLOSING}'"
SAYING_AN_OBJECT = f"say='{BOATS.model_dump_json()}'"


def calling_with_an_object(tool: str) -> str:
    """The last step of a client that has objects handed in by a tool of its own."""
    return f"call='{tool}:{BOATS.model_dump_json()}'"


class Errand:
    """The tools for one run, which note what they were called with; `ending` is what the model does in the end."""

    def __init__(self, ending: str = SAYING) -> None:
        self._ending = ending
        self._done: list[tuple[str, str]] = []

    @property
    def is_done(self) -> bool:
        """Whether both tools ran, once each, in their order and with the right arguments."""
        return self._done == [("look", "sea"), ("count", "boats")]

    def look(self, at: str) -> str:
        """Looks at something.

        Args:
            at: What to look at.
        """
        self._done.append(("look", at))
        return _SEEN

    def count(self, things: str) -> str:
        """Counts things that were seen.

        Args:
            things: What to count.
        """
        self._done.append(("count", things))
        return _COUNTED % self._ending

    def run(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Run a tool by its name."""
        found: str = getattr(self, tool)(**arguments)
        return found
