"""Whether an answered conversation's session is remembered: only where its client has what the session holds. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

from lingma_trio.records import record
from lingma_trio.turns import ToolCall, size_of_calls

Commit: TypeAlias = Literal["kept", "told", "altered", "cut", "idle_end", "once", "off", "state_down"]
"""What becomes of the session of a complete answer. `kept`: it is remembered. `told`: it is remembered, and told in its
next prompt what of its answer was not passed on. Else it is not, since the client was given something else (`altered`),
or only the beginning (`cut`); Lingma never confirmed the end (`idle_end`); nobody will go on (`once`); sessions are not
reused (`off`); or the store that gateways share did not take it (`state_down`).
"""


@record
class Delivered:
    """What a client was given of an answer.

    `cut` says that it ended at the client's own limit, `altered` that it was given something else than what was said in
    a way that cannot be told. `untold` is what the session has to be told of it before it goes on, or empty.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    cut: bool = False
    altered: bool = False
    untold: str = ""

    @property
    def size(self) -> int:
        """How long work on it takes, as `Prompt.size` says it."""
        return len(self.text) + size_of_calls(self.calls)


def how_committed(delivered: Delivered, *, reuse: bool, once: bool, confirmed: bool) -> Commit:
    """What becomes of the session. `confirmed` says that Lingma ended the answer and named the session that holds
    it.
    """
    if not reuse:
        return "off"
    if once:
        return "once"
    if delivered.cut:
        return "cut"
    if not confirmed:
        return "idle_end"
    if delivered.altered:
        return "altered"
    return "told" if delivered.untold else "kept"
